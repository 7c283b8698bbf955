"""`kgpu-env build` and `up` as a user runs them, on the real engine."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import Context

if TYPE_CHECKING:
    from docker import APIClient

KgpuEnv = Any  # the class of conftest.py
WaitFor = Callable[[Callable[[], bool], str], None]
Locked = Callable[[Path, str], list[str]]
pytestmark = pytest.mark.engine
HOST = Path(__file__).parents[1] / "data" / "hosts" / "mi300x-30.10.json"
STEP = "sleep 30107"  # what the slow base runs, found by this text among the machine's processes


@pytest.fixture(autouse=True)
def _nothing_is_left(leftovers: Callable[[], list[str]]) -> Iterator[None]:
    yield
    assert leftovers() == []


def document(ended: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


@pytest.fixture
def stand_in(engine: DockerEngine, base: str, api: "APIClient", tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Make an image that stands for AMD's base, whose python3 is a script, and a project file that points to it."""
    made: list[str] = []

    def make(script: str) -> None:
        mirror = f"kgpu-test.invalid:5000/t{time.monotonic_ns()}"
        reference = f"{mirror}/{rocm_base()}"
        lines = f"FROM {base}\nCOPY --chmod=755 python3 /usr/local/bin/python3\n"
        files = {"Dockerfile": lines.encode(), "python3": f"#!/bin/sh\n{script}\n".encode()}
        engine.build(Context(files=files), reference, lambda _: None, {})
        made.append(reference)
        (tmp_path / "kgpu-env.yaml").write_text(f'network: {{registries: {{docker.io: "{mirror}"}}}}\n')

    yield make
    for reference in made:
        api.remove_image(reference, force=True)


def rocm_base() -> str:
    script = str(Path(sys.executable).with_name("kgpu-env"))
    ended = subprocess.run(
        [script, "resolve", "--vendor", "rocm", "--host", str(HOST), "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    return str(document(ended)["base"]["image"])


def rocm(*words: str) -> tuple[str, ...]:
    return ("build", "--vendor", "rocm", "--host", str(HOST), *words)


def test_a_second_build_is_cached(kgpu_env: KgpuEnv, tensorflow_image: str, locked: Locked) -> None:
    begun = time.monotonic()
    ended = kgpu_env("build", *locked(kgpu_env.folder, "tensorflow"), "--tag", tensorflow_image, "--json")
    assert ended.returncode == 0, ended.stderr
    assert time.monotonic() - begun < 10
    built = document(ended)
    assert built["cached"]
    assert built["steps_cached"] == built["steps_total"] > 3
    assert built["tag"] == tensorflow_image


@pytest.fixture(scope="session")
def unlocked_image(
    engine: DockerEngine, kgpu_env_in: Callable[[Path], KgpuEnv], tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The CPU image as who asks for no lock gets it, with the newest of what the catalogue leaves open; kept."""
    name = "kgpu-test/tf-newest:1"
    ended = kgpu_env_in(tmp_path_factory.mktemp("newest"))("build", "--vendor", "cpu", "--tag", name, timeout=900)
    assert ended.returncode == 0, ended.stderr
    assert engine.image(name)
    return name


@pytest.mark.usefixtures("unlocked_image")
def test_one_more_package_runs_only_its_own_layers(kgpu_env: KgpuEnv, tag: str) -> None:
    code = "from setuptools import setup\nsetup(name='new', py_modules=['new'])\n"
    (kgpu_env.folder / "setup.py").write_text(code)
    (kgpu_env.folder / "new.py").write_text(f"SEEN = {time.monotonic_ns()}\n")  # so that no cache has it
    ended = kgpu_env("build", "--vendor", "cpu", "--requirements", ".", "--tag", tag, "--json")
    assert ended.returncode == 0, ended.stderr
    built = document(ended)
    assert built["seconds"] < 30
    ran = [line for line in ended.stderr.splitlines() if re.match(r"Build +[2-9] of ", line)]
    assert len(ran) == 3, ended.stderr  # the package, the user, who comes after it, and the folder
    assert built["steps_cached"] >= 2  # Python, the framework
    seen = subprocess.run(
        ["docker", "run", "--rm", "--network=none", tag, "python3", "-c", "import new, os; print(os.getuid())"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert seen.stdout == "1000\n", seen.stderr


@pytest.mark.usefixtures("unlocked_image")
def test_a_package_that_does_not_exist(kgpu_env: KgpuEnv, engine: DockerEngine, tag: str) -> None:
    name = "kgpu-env-there-is-no-such-package"
    ended = kgpu_env("build", "--vendor", "cpu", "--package", name, "--tag", tag, "--json")
    assert ended.returncode == 3, ended.stderr  # it is told before anything is built
    error = document(ended)
    assert error["code"] == "KGE-636"
    assert name in error["text"]
    assert name in ended.stderr
    assert "Traceback" not in ended.stderr
    assert engine.image(tag) is None


def test_a_build_that_fails_in_the_middle_keeps_the_old_image(
    kgpu_env: KgpuEnv, engine: DockerEngine, stand_in: Callable[[str], None], tag: str
) -> None:
    stand_in("echo the index burned down; exit 3")
    assert kgpu_env(*rocm("--tag", tag)).returncode == 0
    before = engine.image(tag)
    ended = kgpu_env(*rocm("--tag", tag, "--package", "six"))
    assert ended.returncode == 6
    assert ended.stdout == ""
    # pip's list is written to a file, and python3 is what fails
    assert "exit code" in ended.stderr
    assert "KGE-401" in ended.stderr
    assert engine.image(tag) == before


@pytest.fixture
def slow_build(
    kgpu_env: KgpuEnv, stand_in: Callable[[str], None], tag: str, wait_for: WaitFor, running: Callable[[str], list[int]]
) -> Iterator["subprocess.Popen[str]"]:
    """A build in the middle of a step that never ends; afterwards the step has to be gone, and no tag made."""
    stand_in(STEP)
    with kgpu_env.start(*rocm("--tag", tag, "--package", "six")) as process:
        wait_for(lambda: bool(running(STEP)), "the slow step")
        yield process
        process.kill()
    wait_for(lambda: not running(STEP), "the end of the slow step")


def interrupt(process: "subprocess.Popen[str]") -> tuple[str, str]:
    """Press Ctrl-C: the terminal sends SIGINT to the whole group."""
    os.killpg(process.pid, signal.SIGINT)
    return process.communicate(timeout=30)


def test_ctrl_c_during_a_build(slow_build: "subprocess.Popen[str]", engine: DockerEngine, tag: str) -> None:
    out, err = interrupt(slow_build)
    assert (slow_build.returncode, out) == (130, "")
    assert err.endswith("KGE-900: Interrupted.\n")
    assert "Traceback" not in err
    assert engine.image(tag) is None


def test_a_service_manager_stops_a_build(slow_build: "subprocess.Popen[str]", engine: DockerEngine, tag: str) -> None:
    slow_build.terminate()
    _, err = slow_build.communicate(timeout=30)
    assert slow_build.returncode == 130
    assert "Traceback" not in err
    assert engine.image(tag) is None


@pytest.mark.parametrize(
    "command", [("build", "--vendor", "cpu"), ("verify", "kgpu-test/x:1", "--vendor", "cpu"), ("base",)]
)
def test_an_engine_that_is_down(kgpu_env: KgpuEnv, tmp_path: Path, command: tuple[str, ...]) -> None:
    ended = kgpu_env(*command, "--json", env={"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
    assert ended.returncode == 5
    error = document(ended)
    assert error["code"] == "KGE-301"
    assert f"{tmp_path}/none.sock" in error["cause"]
    assert error["fix"]


def test_a_socket_where_nobody_listens(kgpu_env: KgpuEnv, tmp_path: Path) -> None:
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    ended = kgpu_env("build", "--vendor", "cpu", env={"DOCKER_HOST": f"unix://{path}"})
    assert ended.returncode == 5
    assert "KGE-301" in ended.stderr


def test_a_socket_without_permission(kgpu_env: KgpuEnv, tmp_path: Path) -> None:
    path = tmp_path / "closed.sock"
    narrowed = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(str(path))
        engine.listen()
        path.chmod(0)
        ended = kgpu_env("build", "--vendor", "cpu", env={"DOCKER_HOST": f"unix://{path}"}, before=narrowed)
    assert ended.returncode == 5, ended.stderr
    assert "KGE-302" in ended.stderr
    assert "usermod -aG docker" in ended.stderr


def test_podman_builds_too(
    kgpu_env: KgpuEnv, stand_in: Callable[[str], None], podman: str, tag: str, api: "APIClient"
) -> None:
    stand_in("exit 0")
    mirror = next(name for image in api.images() for name in image["RepoTags"] or () if "kgpu-test.invalid" in name)
    with subprocess.Popen(["docker", "save", mirror], stdout=subprocess.PIPE) as saved:
        subprocess.run(["podman", "load", "--quiet"], stdin=saved.stdout, check=True, capture_output=True)
    try:
        ended = kgpu_env(*rocm("--tag", tag, "--json"), env={"DOCKER_HOST": podman})
        assert ended.returncode == 0, ended.stderr
        seen = subprocess.run(["podman", "image", "exists", document(ended)["image_id"]], check=False)
        assert seen.returncode == 0
    finally:
        subprocess.run(["podman", "rmi", "--force", tag, mirror], check=False, capture_output=True)


def test_a_base_that_is_not_to_be_had(kgpu_env: KgpuEnv, engine: DockerEngine, registry: str, tag: str) -> None:
    """The registry answers, and has no such image; a ROCm base cannot be made from a Debian mirror."""
    (kgpu_env.folder / "kgpu-env.yaml").write_text(f'network: {{registries: {{docker.io: "{registry}"}}}}\n')
    ended = kgpu_env(*rocm("--tag", tag, "--json"))
    assert ended.returncode == 6, ended.stderr
    error = document(ended)
    assert error["code"] == "KGE-571"
    assert "manifest unknown" in error["cause"] or "not found" in error["cause"]
    assert engine.image(tag) is None


def test_up_on_a_host_without_a_gpu(kgpu_env: KgpuEnv, unlocked_image: str) -> None:
    ended = kgpu_env("up", "--fallback", "cpu", "--tag", unlocked_image, "--report", "proof.json")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("TRAINED ON CPU")
    assert "pass-through" in ended.stdout
    assert "Host      " in ended.stderr
    proof = json.loads((kgpu_env.folder / "proof.json").read_text())
    assert (proof["verdict"], proof["image"]) == ("cpu", unlocked_image)
    assert proof["training"]["losses"][-1] < proof["training"]["losses"][0]
