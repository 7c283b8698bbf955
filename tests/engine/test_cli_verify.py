"""`kgpu-env verify` as a user runs it: images that prove nothing, reports, Ctrl-C."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import Context

KgpuEnv = Any  # the class of conftest.py
Leftovers = Callable[[], list[str]]
WaitFor = Callable[[Callable[[], bool], str], None]
pytestmark = pytest.mark.engine
HOST = Path(__file__).parents[1] / "data" / "hosts" / "h100-580.json"


@pytest.fixture(autouse=True)
def _nothing_is_left(leftovers: Leftovers) -> Iterator[None]:
    yield
    assert leftovers() == []


def document(ended: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_an_image_for_cuda_on_a_host_without_a_gpu(
    kgpu_env: KgpuEnv, engine: DockerEngine, tensorflow_image: str, tag: str
) -> None:
    """The label says CUDA: it trains, on the CPU, and that is no proof."""
    stack = kgpu_env("resolve", "--vendor", "cuda", "--host", HOST, "--json").stdout
    label = json.dumps(json.dumps(json.loads(stack))).replace("$", "\\$")
    lines = f"FROM {tensorflow_image}\nLABEL io.kgpu-env.stack={label}\n"
    engine.build(Context(files={"Dockerfile": lines.encode()}), tag, lambda _: None, {})
    ended = kgpu_env("verify", tag, "--json")
    assert ended.returncode == 7, ended.stderr
    proof = document(ended)
    assert (proof["verdict"], proof["code"]) == ("not-proved", "KGE-501")
    assert proof["reason"].startswith("no NVIDIA device on this host")
    assert proof["requested"].startswith("cuda")


def test_an_image_without_python(kgpu_env: KgpuEnv, engine: DockerEngine, tag: str) -> None:
    files = {"Dockerfile": b"FROM scratch\nCOPY word /word\n", "word": b"nothing"}
    engine.build(Context(files=files), tag, lambda _: None, {})
    ended = kgpu_env("verify", tag, "--vendor", "cpu")
    assert ended.returncode == 7, ended.stderr
    assert re.match(r"NOT PROVED  \S+, .* UTC: KGE-504: The image has no Python", ended.stdout)


def test_an_image_without_tensorflow(kgpu_env: KgpuEnv, base: str) -> None:
    ended = kgpu_env("verify", base, "--vendor", "cpu")
    assert ended.returncode == 7, ended.stderr
    assert re.match(r"NOT PROVED  \S+, .* UTC: KGE-505: The image has no TensorFlow", ended.stdout)


def test_an_image_that_does_not_tell_its_vendor_on_a_host_without_a_gpu(kgpu_env: KgpuEnv, base: str) -> None:
    ended = kgpu_env("verify", base)
    assert (ended.returncode, ended.stdout) == (4, "")
    assert "--vendor cuda, rocm or cpu" in ended.stderr


def test_an_image_that_is_not_there(kgpu_env: KgpuEnv) -> None:
    ended = kgpu_env("verify", "kgpu-test/never-made:1", "--vendor", "cpu", "--json")
    assert ended.returncode == 6
    assert document(ended)["code"] == "KGE-408"


def test_a_report_that_cannot_be_written(kgpu_env: KgpuEnv, base: str) -> None:
    ended = kgpu_env("verify", base, "--vendor", "cpu", "--report", "/proc/none/proof.json")
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "KGE-605" in ended.stderr


def test_ctrl_c_during_the_training(
    kgpu_env: KgpuEnv, tensorflow_image: str, leftovers: Leftovers, wait_for: WaitFor
) -> None:
    with kgpu_env.start("verify", tensorflow_image, "--report", "proof.json") as process:
        wait_for(lambda: bool(leftovers()), "the container")
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert err.endswith("KGE-900: Interrupted.\n")
    assert "Traceback" not in err
    assert list(kgpu_env.folder.iterdir()) == []
