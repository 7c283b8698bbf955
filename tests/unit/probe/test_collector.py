"""The collector: what a probe of its capture sees, on each Python that nodes have; and what nobody may see in it."""

import ast
import base64
import io
import json
import os
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from archives import unpack
from trees import REAL, ROWS, build, make

from provision import api
from provision.model import Host
from provision.probe import collector
from provision.probe.answers import answers_of
from provision.probe.command import Failed

SOURCE = Path(collector.__file__)
VERSIONS = ("3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13")
NAMES = [*make.TREES, *REAL, *(row["name"] for row in ROWS)]


def unpacked(data: bytes, folder: Path) -> Path:
    folder.mkdir()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        unpack(tar, folder)
    return folder


def members(data: bytes) -> dict[str, tuple[bytes, str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        files = {one.name: file.read() for one in tar if one.isreg() and (file := tar.extractfile(one))}
        return {one.name: (one.type, one.linkname, files.get(one.name, b"")) for one in tar}


@pytest.mark.parametrize("name", NAMES)
def test_a_probe_of_the_capture_sees_what_a_probe_of_the_host_sees(
    tmp_path: Path, name: str, kept_tree: Callable[[str], Path], probed: Callable[[str], Host]
) -> None:
    there = unpacked(collector.capture(str(kept_tree(name))), tmp_path / "there")
    assert api.probe_host(there) == probed(name)


def pythons() -> dict[str, str]:
    """The interpreters that are here, by version."""
    places = sorted((Path.home() / ".pyenv" / "versions").glob("3.*/bin/python"))
    found = {".".join(place.parts[-3].split(".")[:2]): str(place) for place in places}
    return {**found, ".".join(map(str, sys.version_info[:2])): sys.executable}


@pytest.mark.process
@pytest.mark.parametrize("version", VERSIONS)
def test_it_runs_on_each_python_and_gives_the_same(tmp_path: Path, version: str) -> None:
    if version not in pythons():
        pytest.skip(f"no Python {version} is here")
    tree = build(tmp_path / "host", "h100-mig")
    command = [pythons()[version], "-I", str(SOURCE), "--root", str(tree)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert members(done.stdout) == members(collector.capture(str(tree)))
    text = subprocess.run([*command, "--text"], capture_output=True, check=True, timeout=60).stdout.decode()
    assert base64.b64decode(text.removeprefix(collector.TEXT)) == done.stdout


def test_it_is_one_file_of_the_standard_library() -> None:
    names = set()
    for node in ast.walk(ast.parse(SOURCE.read_text(), feature_version=(3, 6))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        assert not isinstance(node, ast.ImportFrom)
    assert names <= sys.stdlib_module_names


def test_what_others_may_not_see_is_left_out(tmp_path: Path) -> None:
    tree = build(tmp_path / "host", "h100")
    secrets = {
        "proc/1/environ": "container=docker\0TOKEN=hunter2\0",
        "proc/77/cmdline": "python\0--password=hunter2",
        "proc/77/comm": "python\n",
        "proc/78/cmdline": "/usr/bin/dockerd\0--data-root\0/x",
        "etc/environment": "CUDA_VISIBLE_DEVICES=0\nSECRET=hunter2\n",
        "root/.docker/config.json": '{"currentContext": "default", "auths": {"x": {"auth": "hunter2"}}}',
        "var/log/kern.log": "sshd: hunter2\nNVRM: Xid\n",
        "home/eve/.ssh/id_ed25519": "hunter2",
    }
    for path, text in secrets.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    there = unpacked(collector.capture(str(tree)), tmp_path / "there")
    text = "".join(path.read_text(errors="replace") for path in there.rglob("*") if path.is_file())
    assert "hunter2" not in text
    for kept in ("container=docker", "CUDA_VISIBLE_DEVICES=0", "NVRM: Xid", "--data-root", '"currentContext"'):
        assert kept in text


def test_it_is_bounded_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = build(tmp_path / "host", "h100")
    (tree / "var/lib/dpkg").mkdir(parents=True)
    (tree / "var/lib/dpkg/status").write_bytes(b"x" * (1 << 20))
    there = unpacked(collector.capture(str(tree)), tmp_path / "a")
    assert (there / "var/lib/dpkg/status").stat().st_size == collector.FILE_BYTES
    monkeypatch.setattr(collector, "TOTAL_BYTES", 100_000)
    there = unpacked(collector.capture(str(tree)), tmp_path / "b")
    assert "/var/lib/dpkg/status\tleft out" in (there / "tools/unreadable").read_text()


def test_what_could_not_be_read_is_told_by_the_probe_of_the_capture(tmp_path: Path) -> None:
    tree = build(tmp_path / "host", "h100")
    (there := tmp_path / "there").mkdir()
    made = collector.Collector(str(tree))
    made.collect()
    made.unreadable["/proc/driver/nvidia/version"] = "Permission denied"
    del made.files["/proc/driver/nvidia/version"]
    made.files[collector.UNREADABLE] = b"/proc/driver/nvidia/version\tPermission denied\n"
    found = api.probe_host(unpacked(made.packed(), there / "x")).findings
    assert any(one.code == "KGE-104" and "Permission denied" in one.text for one in found)


TABLE = "GPU-aa, NVIDIA H100 80GB HBM3, 00000000:17:00.0, 580.95.05, 81559, 9.0"


def said(there: Path, *, code: int = 0, output: str = "", reason: str = "") -> None:
    """Write what nvidia-smi said on the captured machine."""
    answers = [
        {"command": words, "path": "/opt/own/nvidia-smi", "code": code, "output": output, "reason": reason}
        for words in collector.TOOLS
        if words[0] == "nvidia-smi"
    ]
    (there / "tools").mkdir(exist_ok=True)
    (there / "tools/answers.json").write_text(json.dumps(answers))


def test_the_probe_of_a_capture_reads_what_nvidia_smi_said(tmp_path: Path) -> None:
    tree = build(tmp_path / "host", "h100")
    pci = api.probe_host(tree).gpus[0].pci
    assert api.probe_host(tree).gpus[0].memory_bytes is None
    said(
        tree, output=TABLE.replace("0000:17:00.0", pci or "").replace("GPU-aa", api.probe_host(tree).gpus[0].uuid or "")
    )
    assert api.probe_host(tree).gpus[0].memory_bytes == 81559 << 20
    said(tree, code=9, output="couldn't communicate with the NVIDIA driver")
    found = api.probe_host(tree).findings
    assert [one.text for one in found if one.code == "KGE-105" and "couldn't communicate" in one.text]
    said(tree, reason="no answer within 10 s")
    assert [one for one in api.probe_host(tree).findings if "no answer within 10 s" in one.text]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "[1]", '[{"command": []}]', "[" * 100_000, '[{"command": [], "path": 1}]']
)
def test_hostile_answers_are_none(tmp_path: Path, text: str) -> None:
    tree = build(tmp_path / "host", "h100")
    before = api.probe_host(tree)
    (tree / "tools").mkdir()
    (tree / "tools/answers.json").write_text(text)
    assert api.probe_host(tree) == before


@pytest.mark.process
def test_tools_are_asked_each_within_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, script in (("nvidia-smi", "echo hello; echo oh >&2; exit 3"), ("amd-ctk", "exec sleep 30")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(collector, "SECONDS", 1)
    there = unpacked(collector.capture(), tmp_path / "there")
    answers = answers_of(there)
    assert answers
    assert answers.find("nvidia-smi") == str(tmp_path / "nvidia-smi")
    assert answers.run("/x/nvidia-smi", "-L") == Failed("exit code 3, hello oh")
    assert answers.run("/x/amd-ctk", "--version") == Failed("no answer within 1 s")
    assert answers.run("/x/nvidia-smi", "--else") == Failed("it was not asked when this was captured")


def test_of_this_machine_the_capture_tells_the_same(tmp_path: Path) -> None:
    there = unpacked(collector.capture(), tmp_path / "there")
    here, found = api.probe_host(Path("/")), api.probe_host(there)
    assert (found.kernel, found.distribution, found.architecture) == (here.kernel, here.distribution, here.architecture)
    assert [gpu.pci for gpu in found.gpus] == [gpu.pci for gpu in here.gpus]
    assert not [path for path in there.rglob("*") if stat.S_ISCHR(path.lstat().st_mode)]
