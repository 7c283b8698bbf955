"""The container run, rehearsed without a GPU: a real Docker, and a device that is made up and really injected."""

import importlib.util
import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import container_report
import container_scene
import container_steps
import gpu_cdi
import gpu_docker
import gpu_image
import gpu_needs
import pytest
from container_scene import FAILED, NOT_POSSIBLE, OK, NotPossibleError, Scene, Step, WrongError

ROOT = Path(__file__).parents[2]
HARDWARE = ROOT / "docs" / "hardware"
HOST = ROOT / "tests" / "data" / "hosts" / "h100-580.json"  # synthetic: this machine has no GPU
NULL = os.makedev(1, 3)
DRIVER = "libcuda.so.580.95.05"


def stub() -> ModuleType:
    """The driver library that answers and does nothing, of the sabotage tests."""
    spec = importlib.util.spec_from_file_location("kgpu_stub", ROOT / "tests" / "sabotage" / "stub.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture
def stand_in() -> Iterator[Path]:
    """A root with a GPU's nodes, which are /dev/null by other names, and a driver library; in no container's /tmp."""
    if os.geteuid() != 0:
        pytest.fail("these tests make device nodes and start a daemon: they need root", pytrace=False)
    with tempfile.TemporaryDirectory(prefix="kgpu-root-", dir="/var/tmp") as name:
        root = Path(name)
        (root / "dev").mkdir()
        for node in ("nvidia0", "nvidiactl", "nvidia-uvm"):
            os.mknod(root / "dev" / node, stat.S_IFCHR | 0o666, NULL)
            (root / "dev" / node).chmod(0o666)  # whatever the umask
        folder = root / "usr" / "lib" / "x86_64-linux-gnu"
        folder.mkdir(parents=True)
        module = stub()
        (folder / DRIVER).write_bytes(module.library(module.LYING))
        (folder / "libcuda.so.1").symlink_to(DRIVER)
        yield root


@pytest.fixture(scope="session")
def carried() -> Iterator[Path]:
    """What travels, packed quickly; this Python has Keras itself."""
    with tempfile.TemporaryDirectory(prefix="kgpu-debian-") as name:
        folder = Path(name)
        apt = gpu_docker.Apt(folder / "apt")
        apt("update")
        apt.unpack(folder / "tree", gpu_docker.PACKAGES)
        (folder / "carry").mkdir()
        gpu_docker.pack(folder / "tree", folder / "carry" / "engine.tar.xz", preset=0)
        yield folder / "carry"


def network() -> tuple[str, ...]:
    """What a daemon could change of this machine: interfaces, routes, mounts below temporary folders."""
    mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if "/kgpu-c-" in line]
    # Those of containers come and go with whatever else runs here.
    links = sorted(path.name for path in Path("/sys/class/net").iterdir() if not path.name.startswith("veth"))
    return (*links, Path("/proc/net/route").read_text(), *mounts)


def rehearse(carried: Path, root: Path, out: Path, *words: str, code: int = 0) -> dict[str, dict[str, Any]]:
    before = network()
    command = [sys.executable, str(ROOT / "tests" / "gpu" / "container.py"), "run", str(carried), "--out", str(out)]
    command += ["--root", str(root), "--host", str(HOST), *words]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    [path] = out.glob("*-no-gpu-container.json")
    record = json.loads(path.read_text())
    assert ended.returncode == code, ended.stderr
    assert record["rehearsal"] is True
    assert network() == before
    left = [path for path in Path("/proc").glob("[0-9]*/cmdline") if b"/kgpu-c-" in read(path)]
    assert left == []
    assert [path for place in container_scene.PLACES for path in place.glob("kgpu-c-*")] == []
    return {one["name"]: one for one in record["steps"]}


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended
        return b""


@pytest.mark.timeout(600)
@pytest.mark.engine
def test_a_rehearsal(carried: Path, stand_in: Path, tmp_path: Path) -> None:
    """The device and the driver's library arrive inside by CDI, and by what the exports ask for; nothing is left."""
    if Path(sys.executable).is_relative_to("/tmp"):  # where a container has memory of its own
        steps = rehearse(carried, stand_in, tmp_path, "--only", "inside", code=1)
        assert steps["engine"]["outcome"] == OK
        assert "this Python is below" in str(steps["image"])
        return
    steps = rehearse(carried, stand_in, tmp_path, "--only", "inside,compose,quadlet,doctor")
    names = ("machine", "engine", "cdi", "image", "inside", "compose", "quadlet", "doctor")
    assert {name: one["outcome"] for name, one in steps.items()} == dict.fromkeys(names, OK)
    nodes = ["/dev/nvidia-uvm", "/dev/nvidia0", "/dev/nvidiactl"]
    arrived = {"nodes": nodes, "init": 0, "count": 1}
    assert [steps[name]["seen"] for name in ("inside", "compose", "quadlet")] == [arrived] * 3
    assert (steps["inside"]["without"]["nodes"], steps["inside"]["without"]["init"]) == ([], None)
    assert steps["compose"]["asked"][0]["device_ids"] == ["nvidia.com/gpu=all"]
    [page] = tmp_path.glob("*-container.md")
    assert page.read_text().startswith("# no GPU inside a container: 8 ok\n")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.engine
def test_a_whole_rehearsal(carried: Path, stand_in: Path, tmp_path: Path) -> None:
    """This Python's JAX is for the CPU, which is told before a missing device: nothing is proved, and each says why."""
    steps = rehearse(carried, stand_in, tmp_path, code=1)
    assert list(steps) == [one.name for one in container_steps.STEPS]
    proof = steps["verify jax"]["proof"]
    checks = {one["name"]: one["status"] for one in proof["checks"]}
    assert (proof["verdict"], proof["code"]) == ("not-proved", "KGE-506")
    assert (checks["host"], checks["machine"]) == ("pass", "pass")
    for name in ("request lost", "specification empty"):
        assert (steps[name]["outcome"], steps[name]["code"]) == (FAILED, "KGE-506")
    assert (steps["gate"]["outcome"], steps["gate"]["state"]) == (FAILED, "never")
    assert sum(one["seconds"] for one in steps.values()) < 540


def test_what_the_machine_lacks_is_told(tmp_path: Path) -> None:
    found = {one.name: one for one in gpu_needs.needs(tmp_path)}
    assert list(found) == [
        *("root", "glibc", "namespaces", "user_namespace", "mounting", "overlay", "cgroup", "controllers", "space")
    ]
    assert all(one.seen for one in found.values())
    assert gpu_needs.fails("overlay", Path("/proc")), "nothing can be made there"
    assert list(tmp_path.iterdir()) == []


def scene(tmp_path: Path) -> Scene:
    return Scene(folder=tmp_path, programs=tmp_path, wheels=None, frameworks=(), environment={})


def test_a_step_that_cannot_be_taken_says_why(tmp_path: Path) -> None:
    def lacks(_: Scene) -> dict[str, Any]:
        raise NotPossibleError("no overlay")

    def wrong(_: Scene) -> dict[str, Any]:
        raise WrongError("a proof", code="KGE-1")

    def slow(_: Scene) -> dict[str, Any]:
        signal_pause()
        return {}

    def told(function: Any, left: float = 9.0, *needs: str) -> dict[str, Any]:  # noqa: ANN401 - a step's
        return container_scene.take(Step("s", "what", 0.3, function, needs), scene(tmp_path), {"a": FAILED}, left)

    assert {key: told(lacks)[key] for key in ("outcome", "why")} == {"outcome": NOT_POSSIBLE, "why": "no overlay"}
    assert {key: told(wrong)[key] for key in ("outcome", "why", "code")} == {
        "outcome": FAILED,
        "why": "a proof",
        "code": "KGE-1",
    }
    assert (told(slow)["outcome"], told(slow)["why"]) == (FAILED, "TimeoutError: not done after 0 s")
    assert told(wrong, 1.0)["why"] == "no time is left"
    assert told(wrong, 9.0, "a")["why"] == "it needs a"
    assert told(lambda _: {"more": 1})["outcome"] == OK


def signal_pause() -> None:
    """Wait for a signal."""
    import signal  # noqa: PLC0415 - here alone

    signal.pause()


def test_steps_are_chosen_with_what_they_need() -> None:
    names = [one.name for one in container_scene.chosen(container_steps.STEPS, ["inside"])]
    assert names == ["machine", "engine", "cdi", "image", "inside"]
    assert container_scene.chosen(container_steps.STEPS, []) == container_steps.STEPS
    known = [one.name for one in container_steps.STEPS]
    assert all(known.index(need) < known.index(one.name) for one in container_steps.STEPS for need in one.needs)


def test_the_specification(stand_in: Path) -> None:
    spec = gpu_cdi.specification(stand_in, Path("/usr/lib/x"))
    assert [one["name"] for one in spec["devices"]] == ["0", "all"]
    assert spec["devices"][1]["containerEdits"]["deviceNodes"] == [
        {"path": "/dev/nvidia0", "hostPath": str(stand_in / "dev" / "nvidia0")}
    ]
    mounts = {one["containerPath"]: Path(one["hostPath"]).name for one in spec["containerEdits"]["mounts"]}
    assert mounts == {"/usr/lib/x/libcuda.so.1": DRIVER, f"/usr/lib/x/{DRIVER}": DRIVER}, "each name, the real file"
    shared = [one["path"] for one in spec["containerEdits"]["deviceNodes"]]
    assert sorted(shared) == ["/dev/nvidia-uvm", "/dev/nvidiactl"]
    bare = gpu_cdi.without_devices(spec)
    assert "deviceNodes" not in json.dumps(bare)
    assert [one["name"] for one in bare["devices"]] == ["0", "all"]


def test_links_are_taken_along(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").touch()
    (tmp_path / "folder").symlink_to("real")
    (tmp_path / "real" / "name").symlink_to("../folder/file")
    found = list(gpu_image.hops(tmp_path / "folder" / "name"))
    assert found == [
        *(tmp_path / "folder", tmp_path / "real" / "name", tmp_path / "folder", tmp_path / "real" / "file")
    ]
    (tmp_path / "round").symlink_to("round")
    assert list(gpu_image.hops(tmp_path / "round"))


def test_what_a_framework_needs_goes_into_the_image() -> None:
    names = {one.metadata["Name"] for one in gpu_image.closure(["jax", "keras"])}
    assert {"jax", "jaxlib", "keras", "numpy"} <= names
    assert "pytest" not in names
    assert gpu_image.closure(["kgpu-none"]) == []


RECORD: dict[str, Any] = {
    "schema": container_report.SCHEMA,
    "when": "2026-12-01 10:00 UTC",
    "gpu": "NVIDIA H200",
    "driver": "580.1",
    "kernel": "6.18",
    "python": "3.12.3",
    "frameworks": ["jax"],
    "seconds": 311.0,
    "rehearsal": False,
    "right": False,
    "steps": [
        {"name": "machine", "what": "w", "outcome": OK, "seconds": 2.0, "why": "", "lacking": ["overlay: vfs"]},
        {"name": "verify jax", "what": "w", "outcome": FAILED, "seconds": 60.0, "why": "exit 7"}
        | {"proof": {"verdict": "not-proved", "checks": [{"name": "host", "status": "pass", "detail": "a | b"}]}},
    ],
}


def test_the_page_and_the_table(tmp_path: Path) -> None:
    (tmp_path / "2026-12-01-nvidia-h200-container.json").write_text(json.dumps(RECORD))
    (tmp_path / "2026-12-01-no-gpu-container.json").write_text(json.dumps(RECORD | {"rehearsal": True}))
    (tmp_path / "README.md").write_text((HARDWARE / "README.md").read_text())
    container_report.write(tmp_path)
    page = (tmp_path / "2026-12-01-nvidia-h200-container.md").read_text()
    assert page.startswith("# NVIDIA H200 inside a container: 1 ok, 1 failed\n")
    assert "| verify jax | w | failed | 60.0 | Exit 7. |" in page
    assert "- overlay: vfs" in page
    assert "| host | pass | a / b |" in page
    text = (tmp_path / "README.md").read_text()
    assert text.count("| NVIDIA H200 | 580.1 | 2026-12-01 | 1 ok, 1 failed | [page](2026-12-01-nvidia") == 1
    assert "Not yet seen on hardware" not in text


def test_the_readme_is_what_the_reports_make_of_it() -> None:
    text = (HARDWARE / "README.md").read_text()
    assert container_report.readme(text, HARDWARE) == text, "python3 tests/gpu/container.py table"
