"""torch, which is too large to belong to the tests' own environment: 3 GB of wheels, 5.3 GB on disk, removed after.

PyPI's torch for Linux is the CUDA build: on a machine without a GPU it shows both that the CPU is proved as such, and
that a CUDA build which finds no GPU proves nothing.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from provision.engine.protocol import Ran
from provision.prove import Evidence, parse_result
from provision.prove.workload.zipapp import source

ROOM = 8 << 30  # bytes
WHEELS = Path(__file__).parents[1] / "locks" / "torch.txt"
pytestmark = pytest.mark.timeout(900)  # the wheels come over the network


def workload_tests() -> ModuleType:
    """The tests of the workload, which know what every backend owes."""
    path = Path(__file__).with_name("test_workload.py")
    spec = importlib.util.spec_from_file_location("kgpu_workload_tests", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def python(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A Python that has torch and Keras."""
    assert request.config.cache is not None
    folder = request.config.cache.mkdir("kgpu-env-torch")
    shutil.rmtree(folder)  # what a run that was killed left
    free = shutil.disk_usage(folder.parent).free
    if free < ROOM:
        pytest.skip(f"torch needs {ROOM >> 30} GiB of disk for its wheels, {free >> 30} GiB are free")
    uv = [sys.executable, "-m", "uv", "--quiet", "--no-cache"]
    try:
        subprocess.run([*uv, "venv", "--python", sys.executable, str(folder)], check=True)
        made = folder / "bin" / "python"
        subprocess.run(
            [*uv, "pip", "install", "--python", str(made), "--require-hashes", "-r", str(WHEELS)], check=True
        )
        yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # nothing is there when the first command failed


def verified(python: Path, *words: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-c", "from provision.cli import main; main()", "verify", "--here", "--json"]
    ended = subprocess.run(
        [*command, "--python", str(python), "--backend", "torch", *words],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert ended.stdout, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return ended.returncode, found


def test_the_cpu_is_proved_as_such(python: Path) -> None:
    code, proof = verified(python, "--vendor", "cpu")
    assert (code, proof["verdict"], proof["backend"]) == (0, "cpu", "torch"), proof["reason"]
    assert proof["versions"]["torch"]


@pytest.mark.skipif(Path("/proc/driver/nvidia/version").exists(), reason="this machine has a real NVIDIA driver")
def test_a_cuda_build_without_a_gpu_is_not_proved(python: Path) -> None:
    code, proof = verified(python, "--vendor", "cuda", "--level", "quick")
    assert (code, proof["verdict"], proof["code"]) == (7, "not-proved", "KGE-501"), proof["reason"]
    status = {check["name"]: (check["status"], check["detail"]) for check in proof["checks"]}
    assert status["build"][0] == "pass"
    assert status["visible"][0] == "fail"
    assert "torch lists 0 GPU(s), 1 asked for" in status["visible"][1]
    assert "the model trained on the CPU" in proof["reason"]


def test_every_part(python: Path) -> None:
    tests = workload_tests()
    spec = {"nonce": "n1", "device": "CPU", "indices": [0], "backend": "torch", "parts": tests.PARTS, "minutes": 0.01}
    ended = subprocess.run(
        [str(python), "-c", source(), json.dumps(spec)],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
    )
    ran = Ran(exit_code=ended.returncode, stdout=ended.stdout, stderr=ended.stderr, seconds=400)
    evidence = parse_result(ran.stdout, "n1")
    assert isinstance(evidence, Evidence), ran.stderr
    tests.assert_rows(evidence, {"xla", "collective"})
    [soak] = evidence.soaks
    assert (soak.rounds > 0, soak.wrong, soak.error) == (True, 0, None)
    assert (evidence.planes or {}).get("/host:CPU", 0) > 0
