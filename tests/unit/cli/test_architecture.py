"""docs/architecture.md: its rooms are those that are there, its ways those that a host and an image really go."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from trees import build

from provision import api, probe
from provision.engine.protocol import OnOutput, Ran, Run
from provision.model import Host
from provision.prove.evidence import MARKER

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
CPU = ROOT / "tests" / "unit" / "prove" / "data" / "cpu-tensorflow-2.21.json"
H100_PCI = "0000:00:06.0"  # in what was recorded on one
WAYS = ("The way of a host", "The way of an image")
# Behind the engine, which is made of words here.
UNSEEN = {
    "engine.docker_engine.DockerEngine.build",
    "engine.buildkit_build.run_build",
    "engine.context.tarball",
    "engine.docker_engine.DockerEngine.run",
    "engine.container.run_once",
    "prove.workload.main.main",
}


def section(title: str) -> str:
    """Return what stands below a heading of the page."""
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def calls(title: str) -> list[str]:
    """Return the functions of a way: what stands in front of the colon in each of its numbered lines."""
    items = re.findall(r"^\d+\. (.+)$", section(title), re.MULTILINE)
    return [name for item in items for name in re.findall(r"`([\w.]+)`", item.split(": ")[0])]


def find(name: str) -> tuple[str, object]:
    """Return the module of a function below `provision`, and the function."""
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        place, module = ROOT.joinpath("provision", *parts[:end]), ".".join(parts[:end])
        if place.is_dir() or place.with_suffix(".py").is_file():
            return module, attrgetter(".".join(parts[end:]))(import_module(f"provision.{module}"))
    raise LookupError(name)


def test_the_rooms_are_those_that_are_there() -> None:
    package = ROOT / "provision"
    folders = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    modules = {path.name for path in package.glob("*.py")} - {"__init__.py"}
    named = re.findall(r"^\| `([\w./]+)` \| \S", section("Rooms"), re.MULTILINE)
    assert sorted(named) == sorted(folders | modules)


def test_the_files_that_are_named_exist() -> None:
    pages = PAGE + (ROOT / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"`((?:tests|provision|images|templates|docs)/[\w./-]*)`", pages))
    assert len(named) > 40
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


@pytest.mark.parametrize("name", sorted({name for way in WAYS for name in calls(way)}))
def test_a_function_of_a_way_exists(name: str) -> None:
    module, function = find(name)
    assert callable(function)
    assert getattr(function, "__module__", "") == f"provision.{module}"  # where it is written, not where it is imported


def test_the_ways_are_numbered() -> None:
    for way in WAYS:
        numbers = [int(number) for number in re.findall(r"^(\d+)\. ", section(way), re.MULTILINE)]
        assert numbers == [*range(1, len(numbers) + 1)]
        assert len(numbers) > 20


def answering(host: Host) -> Callable[..., Ran]:
    """Answer as an image does whose workload sees the host's GPU when it is given one."""
    [gpu] = host.gpus
    assert gpu.pci
    assert gpu.uuid
    recorded = max((ROOT / "docs" / "hardware").glob("*-h100-*-tensorflow-standard.evidence.json")).read_text()
    on_cpu, on_gpu = json.loads(CPU.read_text()), json.loads(recorded.replace(H100_PCI, gpu.pci))
    on_gpu["driver"][0]["uuid"] = gpu.uuid.removeprefix("GPU-").replace("-", "")

    def answer(run: Run, _: OnOutput | None = None) -> Ran:
        spec = json.loads(run.command[3])
        record = on_cpu if run.access.method == "none" else on_gpu
        made = json.dumps({**record, "nonce": spec["nonce"], "spec": spec})
        return Ran(exit_code=0, stdout=f"{MARKER} {spec['nonce']} {made}\n", stderr="", seconds=60.0)

    return answer


@contextmanager
def traced() -> Iterator[list[str]]:
    """Give the package's functions, as module and name, in the order in which each is called first."""
    seen: dict[str, None] = {}
    found: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        module = str(frame.f_globals.get("__name__", ""))
        if event == "call" and module.startswith("provision."):
            seen.setdefault(f"{module.removeprefix('provision.')}.{frame.f_code.co_name}")

    sys.setprofile(note)
    try:
        yield found
    finally:
        sys.setprofile(None)
        found += seen


def test_a_host_and_its_image_go_these_ways(
    kgpu_env: Callable[..., Any],
    engine: Any,  # noqa: ANN401 - conftest's FakeEngine
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root, real = build(tmp_path / "h100", "h100"), probe.host.probe_host
    monkeypatch.setattr(engine, "run", answering(api.probe_host(root)))
    monkeypatch.setattr("provision.probe.probe_host", lambda lookups, **_: real(lookups, root))
    with traced() as found:
        ended = kgpu_env("up")
        kgpu_env("gate")
    assert ended.out.startswith("PROVED"), ended
    for way in WAYS:
        names = [name for name in calls(way) if name not in UNSEEN]
        seen = {name: f"{find(name)[0]}.{name.rpartition('.')[2]}" for name in names}
        assert [name for name in names if seen[name] not in found] == []
        assert sorted(names, key=lambda name: found.index(seen[name])) == names
    assert not {name for name in UNSEEN if f"{find(name)[0]}.{name.rpartition('.')[2]}" in found}
