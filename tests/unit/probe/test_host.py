"""The probe of this machine: tools that fail, lie or hang, and the engine beside it."""

import sys
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from provision.errors import EngineError
from provision.model import Engine
from provision.probe import Lookups, cdi_devices, command, nvidia_tools, nvml, probe_host, smi

pytestmark = pytest.mark.process


@pytest.fixture
def binaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory that comes first on PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(nvidia_tools, "ask_nvml", lambda: None)
    return tmp_path


def tool(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def no_gpu_here() -> bool:
    return not any(finding.code != "KGE-101" for finding in probe_host(Lookups()).findings)


def test_a_made_up_nvidia_smi_creates_no_gpu(binaries: Path) -> None:
    if not no_gpu_here():
        pytest.skip("this machine has a GPU or findings of its own")
    tool(binaries, "nvidia-smi", "echo 'GPU-aa, Fake, 00000000:17:00.0, 580.95.05, 81559, 9.0'")
    got = probe_host(Lookups())
    assert got.gpus == ()
    assert [finding.code for finding in got.findings] == ["KGE-101", "KGE-114"]


def test_nvidia_smi_with_mig(binaries: Path) -> None:
    row = "GPU-aa, H100, 00000000:17:00.0, 580.95.05, 81559, 9.0"
    listing = "GPU 0: H100 (UUID: GPU-aa)\n  MIG 1g.10gb     Device  0: (UUID: MIG-bb)"
    tool(binaries, "nvidia-smi", f"[ $1 = -L ] && echo '{listing}' || echo '{row}'")
    seen = smi.ask_smi()
    assert seen
    assert seen.gpus[0].capability == "9.0"
    assert [piece.uuid for piece in seen.gpus[0].slices] == ["MIG-bb"]


def test_an_old_nvidia_smi_is_asked_without_compute_cap(binaries: Path) -> None:
    field = 'Field "compute_cap" is not a valid field to query.'
    row = "GPU-aa, Tesla V100, 00000000:3B:00.0, 470.82.01, 32510"
    tool(binaries, "nvidia-smi", f"case $1 in *compute_cap*) echo '{field}'; exit 2;; *) echo '{row}';; esac")
    seen = smi.ask_smi()
    assert seen
    assert (seen.failure, seen.gpus[0].driver, seen.gpus[0].capability) == ("", "470.82.01", None)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exec sleep 9", "no answer within 0.2 s"),
        ("echo 'couldn'\\''t communicate' >&2; exit 9", "exit code 9, couldn't communicate"),
        ("exit 1", "exit code 1, no output"),
    ],
)
def test_a_failing_tool_is_a_value(binaries: Path, script: str, words: str) -> None:
    tool(binaries, "tool", script)
    began = time.monotonic()
    assert command.run(str(binaries / "tool"), seconds=0.2) == command.Failed(words)
    assert time.monotonic() - began < 2


def test_a_tool_that_cannot_be_started(tmp_path: Path) -> None:
    assert command.run(str(tmp_path / "absent")) == command.Failed("No such file or directory")


def test_failure_of_nvidia_smi_names_the_mismatch(binaries: Path) -> None:
    tool(binaries, "nvidia-smi", "echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18")
    seen = smi.ask_smi()
    assert seen
    assert seen.mismatch


def test_a_hanging_nvml_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = """
import time
class NVMLError(Exception):
    value = 9
def nvmlInit():
    time.sleep(0.5)
    raise NVMLError
"""
    (tmp_path / "pynvml.py").write_text(source)
    monkeypatch.setitem(sys.modules, "pynvml", None)  # so that it is forgotten after the test
    monkeypatch.delitem(sys.modules, "pynvml")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(command, "SECONDS", 0.1)
    assert nvml.ask_nvml() == smi.ToolAnswer(tool="NVML", failure="no answer within 0.1 s")


def test_versions_of_toolkits(binaries: Path) -> None:
    tool(binaries, "nvidia-ctk", "echo 'NVIDIA Container Toolkit CLI version 1.17.8'")
    tool(binaries, "amd-ctk", "exit 3")
    found = {toolkit.name: toolkit.version for toolkit in probe_host(Lookups()).toolkits}
    assert found == {"nvidia-container-toolkit": "1.17.8", "amd-container-toolkit": None}


@pytest.mark.usefixtures("binaries")
def test_an_engine_without_a_device_list_gets_the_files_devices(tmp_path: Path) -> None:
    (tmp_path / "cdi").mkdir()
    (tmp_path / "cdi/amd.json").write_text('{"kind": "amd.com/gpu", "devices": [{"name": "all"}]}')
    old = Engine(
        name="docker",
        version="27.0",
        api_version="1.46",
        address="unix:///run/docker.sock",
        cdi_dirs=(str(tmp_path / "cdi"),),
    )
    got = probe_host(Lookups(), engine=lambda: old).engine
    assert got
    assert got.cdi == ("amd.com/gpu=all",)
    new = Engine(name="docker", version="28.5", api_version="1.51", address=old.address, cdi_dirs=old.cdi_dirs)
    assert probe_host(Lookups(), engine=lambda: new).engine == new
    apart = replace(old, own_files=True)  # these folders are not its own
    host = probe_host(Lookups(), engine=lambda: apart)
    assert host.engine == apart
    assert "KGE-143" in [finding.code for finding in host.findings]


@pytest.mark.usefixtures("binaries")
def test_an_engine_that_fails_is_a_finding() -> None:
    def fail() -> None:
        raise EngineError("KGE-030", "Permission denied on the socket.", fix="join the group docker")

    got = probe_host(Lookups(), engine=fail)
    assert got.engine is None
    assert [finding.code for finding in got.findings][-1] == "KGE-030"


def test_a_tree_asks_neither_tools_nor_engine(tmp_path: Path) -> None:
    def fail() -> None:
        pytest.fail("the engine of this machine says nothing about another one")

    (tmp_path / "proc").mkdir()
    assert probe_host(Lookups(), tmp_path, engine=fail).engine is None


def test_cdi_devices_of_a_root(tmp_path: Path) -> None:
    (tmp_path / "etc/cdi").mkdir(parents=True)
    (tmp_path / "etc/cdi/nvidia.yaml").write_text("kind: nvidia.com/gpu\ndevices:\n- name: all\n- name: '0'\n")
    (tmp_path / "etc/cdi/notes.txt").write_text("kind: not.a/spec\n")
    assert cdi_devices(tmp_path) == ("nvidia.com/gpu=0", "nvidia.com/gpu=all")


@pytest.mark.usefixtures("binaries")
def test_the_probe_takes_less_than_half_a_second() -> None:
    began = time.monotonic()
    probe_host(Lookups())
    assert time.monotonic() - began < 0.5
