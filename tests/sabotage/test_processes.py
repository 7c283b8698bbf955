"""Sabotage with real processes and real TensorFlow."""

import importlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from provision.model import Driver, Host, Proof, Vendor, Verdict
from provision.prove import VerifyRequest
from provision.prove.host_monitor import processes
from provision.prove.runner import verify_here

V = importlib.import_module("tests.sabotage.conftest")  # as pytest names it with import-mode importlib
SCRIPT = str(Path(sys.executable).with_name("kgpu-env"))
PYTHON = Path(sys.executable)
# A host with a GPU, as far as the host says; the machine that runs the tests need not have one.
HOST = Host(gpus=(V.GPU,), drivers=(Driver(vendor="nvidia", version="580.95.05"),), kernel="6.1.0")
FAKE_SMI = """#!/bin/sh
case "$*" in
  *-L*) echo 'GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-3f1c3f1c-3f1c-3f1c-3f1c-3f1c3f1c3f1c)' ;;
  *) echo 'NVIDIA H100 80GB HBM3, GPU-3f1c3f1c-3f1c-3f1c-3f1c-3f1c3f1c3f1c, 00000000:17:00.0, 580.95.05, 81559, 9.0' ;;
esac
"""


def expected(name: str) -> str:
    code: str = V.scenarios()[name].code
    return code


def here(vendor: Vendor, host: Host = HOST, nonce: str = "", **request: Any) -> Proof:  # noqa: ANN401 - fields of the request
    asked = VerifyRequest(vendor=vendor, level="quick", **{"seconds": 120.0, **request})
    return verify_here(
        PYTHON, asked, host, V.load().errors, new_nonce=lambda: nonce or secrets.token_hex(16), clock=time.monotonic
    )


def command(*words: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [SCRIPT, *map(str, words)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def not_proved(ended: "subprocess.CompletedProcess[str]", name: str) -> None:
    assert ended.returncode == 7, ended.stderr
    found = json.loads(ended.stdout)
    assert (found["verdict"], found["code"]) == ("not-proved", expected(name)), found["reason"]


def test_a_host_without_a_gpu() -> None:
    """Skipped nowhere: on a machine with an NVIDIA GPU the AMD one is missing, and the other way round."""
    vendor = "rocm" if Path("/proc/driver/nvidia/version").exists() else "cuda"
    not_proved(command("verify", "--here", "--level", "quick", "--vendor", vendor, "--json"), "no-gpu")


@pytest.mark.skipif(Path("/proc/driver/nvidia/version").exists(), reason="this machine has a real NVIDIA driver")
def test_a_fake_nvidia_smi(tmp_path: Path) -> None:
    fake = tmp_path / "nvidia-smi"
    fake.write_text(FAKE_SMI)
    fake.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    # A tool's word without a device on the bus is no GPU.
    assert json.loads(command("probe", "--json", PATH=path).stdout)["gpus"] == []
    ended = command("verify", "--here", "--level", "quick", "--vendor", "cuda", "--json", PATH=path)
    not_proved(ended, "fake-nvidia-smi")


def test_the_workload_is_killed() -> None:
    nonce = secrets.token_hex(16)

    def kill() -> None:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            for pid in processes(nonce):
                if pid != os.getpid():
                    time.sleep(1.0)
                    os.kill(pid, signal.SIGKILL)
                    return
            time.sleep(0.05)

    thread = threading.Thread(target=kill)
    thread.start()
    proof = here(Vendor.CPU, Host(), nonce)
    thread.join()
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, expected("killed"))
    assert "killed" in proof.reason


def test_the_workload_hangs() -> None:
    proof = here(Vendor.CPU, Host(), seconds=6.0, epochs=1_000_000)
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, expected("hanging"))
    assert "time limit" in proof.reason


RUBBISH = "import os\nos.write(1, b'\\x00\\xff GPU ok! all tests passed\\n')\nos._exit(0)\n"
FORGED = "import os\nos.write(1, b'KGPU-ENV-RESULT none ' + {record!r} + b'\\n')\n"
SITE = {"rubbish": RUBBISH, "forged-before": FORGED.format(record=json.dumps(V.GPU_RECORD).encode())}


@pytest.mark.parametrize("name", SITE)
def test_the_environment_prints_into_the_answer(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(SITE[name])
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    proof = here(Vendor.CPU, Host())
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, expected(name))
    assert "result line" in proof.reason


def test_a_report_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    begun = time.monotonic()
    ended = command("verify", "--here", "--vendor", "cpu", "--junit", tmp_path / "file" / "x.xml")
    assert (ended.returncode, ended.stdout) == (3, "")
    assert expected("report-unwritable") in ended.stderr
    assert "Verify" not in ended.stderr, "it says so before it trains"
    assert time.monotonic() - begun < 5
