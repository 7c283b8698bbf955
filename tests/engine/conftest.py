"""A real engine, a real Podman and a loopback registry; what the tests make, they remove."""

import fcntl
import hashlib
import inspect
import os
import pty
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from subprocess import CompletedProcess
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from gpu_docker import Apt
from registries import registry_in

from provision.engine.debian_base import make_base
from provision.engine.docker import connect
from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import BuildStep, Built, Context, Streams
from provision.errors import KgpuError

if TYPE_CHECKING:
    from docker import APIClient

BASE = f"kgpu-test/base:{hashlib.sha256(Path(inspect.getfile(make_base)).read_bytes()).hexdigest()[:12]}"
LOCKS = Path(__file__).parent / "locks"  # of x86-64
Build = Callable[..., Built]


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerEngine]:
    try:
        found = connect()
    except KgpuError as error:
        pytest.fail(f"the engine tests need a container engine: {error.text}: {error.cause}", pytrace=False)
    assert isinstance(found, DockerEngine)
    if not found.describe().buildkit:
        pytest.fail(f"the engine tests need Docker, and {found.describe().address} is none", pytrace=False)
    yield found
    found.close()


@pytest.fixture(scope="session")
def base(engine: DockerEngine) -> str:
    """A Debian with Python; kept, since making it takes half a minute, until what makes it changes."""
    if engine.image(BASE) is None:
        api = engine._api  # noqa: SLF001 - the tests' only way to remove what they made
        for old in [name for image in api.images("kgpu-test/base") for name in image["RepoTags"]]:
            api.remove_image(old)
        make_base(engine, "bookworm", BASE, lambda _: None)
    return BASE


@pytest.fixture
def api(engine: DockerEngine) -> "APIClient":
    """The SDK's client, to look behind the engine's back."""
    return engine._api  # noqa: SLF001 - the tests' only way to see what is left


class Window:
    """A terminal of 33 lines and 101 columns, for all three streams of a job."""

    def __init__(self) -> None:
        self.keys, self.screen = pty.openpty()
        fcntl.ioctl(self.screen, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
        self.streams = Streams(self.screen, self.screen, self.screen)

    def close(self) -> None:
        os.close(self.keys)
        os.close(self.screen)


@pytest.fixture
def window() -> Iterator[Window]:
    found = Window()
    yield found
    found.close()


@pytest.fixture
def tag(api: "APIClient") -> Iterator[str]:
    from docker.errors import ImageNotFound  # noqa: PLC0415 - slow to import

    name = f"kgpu-test/t{time.monotonic_ns()}:1"
    yield name
    try:
        api.remove_image(name, force=True)
    except ImageNotFound:
        return


@pytest.fixture
def build(engine: DockerEngine, base: str, tag: str) -> Build:
    """Build lines on top of the base; returns the result."""

    def run(*lines: str, seen: list[BuildStep] | None = None, name: str = tag) -> Built:
        text = "\n".join((f"FROM {base}", *lines, ""))
        report = seen.append if seen is not None else lambda _: None
        return engine.build(Context(files={"Dockerfile": text.encode()}), name, report, {})

    return run


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real Podman service."""
    program = shutil.which("podman")
    if program is None:
        pytest.fail("the engine tests need Podman: apt-get install podman", pytrace=False)
    path = tmp_path_factory.mktemp("podman") / "podman.sock"
    with subprocess.Popen([program, "system", "service", "--time=0", f"unix://{path}"]) as service:
        try:
            wait_for(path.exists, "Podman's socket")
            yield f"unix://{path}"
        finally:
            service.terminate()


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HOST:PORT of a registry on loopback, which Docker takes without TLS."""
    with registry_in(tmp_path_factory.mktemp("registry")) as found:
        yield found


def wait_for(ready: Callable[[], bool], what: str, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            pytest.fail(f"{what} is not there after {seconds} s", pytrace=False)
        time.sleep(0.05)


@pytest.fixture(name="wait_for")
def wait_for_fixture() -> Callable[[Callable[[], bool], str], None]:
    return wait_for


@pytest.fixture(scope="session")
def made_wheels() -> ModuleType:
    """`made_wheels.py`, for the tests of this folder and those below; test modules are found by path, not by name."""
    spec = spec_from_file_location("made_wheels", Path(__file__).with_name("made_wheels.py"))
    assert spec is not None
    assert spec.loader is not None
    found = module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture
def leftovers(api: "APIClient") -> Callable[[], list[str]]:
    """Names of containers that a run left behind."""
    return lambda: [
        name for one in api.containers(all=True, filters={"label": "kgpu-env.run"}) for name in one["Names"]
    ]


@pytest.fixture
def running() -> Callable[[str], list[int]]:
    """Process ids on this machine whose command line holds a text: a container's processes are seen here."""

    def find(marker: str) -> list[int]:
        return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if holds(path, marker)]

    return find


def holds(path: Path, marker: str) -> bool:
    try:
        return marker in path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:  # it ended in between
        return False


class KgpuEnv:
    """The command as a user runs it: the installed script, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script = str(Path(sys.executable).with_name("kgpu-env"))

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """The machine's own way to the network belongs to it; settings of the tool do not."""
        return {key: value for key, value in os.environ.items() if not key.startswith("KGPU_ENV_")} | dict(more)

    def __call__(self, *words: object, env: Mapping[str, str] = {}, **options: Any) -> CompletedProcess[str]:  # noqa: ANN401 - passed through
        settings: dict[str, Any] = {"cwd": self.folder, "timeout": 400, "text": True, "capture_output": True} | options
        command = [*settings.pop("before", ()), self.script, *map(str, words)]
        return subprocess.run(command, env=self.environment(env), check=False, **settings)

    def start(self, *words: object) -> "subprocess.Popen[str]":
        """Start it in a process group of its own, as a shell does, so that Ctrl-C can be sent to the group."""
        return subprocess.Popen(
            [self.script, *map(str, words)],
            cwd=self.folder,
            env=self.environment({}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


@pytest.fixture(scope="session")
def kgpu_env_in() -> Callable[[Path], KgpuEnv]:
    """The command in a folder that outlives a test."""
    return KgpuEnv


@pytest.fixture
def kgpu_env(tmp_path: Path) -> KgpuEnv:
    return KgpuEnv(tmp_path)


@pytest.fixture(scope="session")
def tensorflow_image(engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The CPU image."""
    return cpu_image(engine, tmp_path_factory.mktemp("tf-cpu"), "kgpu-test/tf-cpu:1", "tensorflow")


@pytest.fixture(scope="session")
def jupyter_image(engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The CPU image with JupyterLab."""
    return cpu_image(engine, tmp_path_factory.mktemp("jupyter"), "kgpu-test/jupyter:1", "jupyter")


def cpu_image(engine: DockerEngine, folder: Path, name: str, lock: str) -> str:
    """Built by the tool itself from a lock; an unchanged one is found in the cache, and it is kept for that."""
    ended = KgpuEnv(folder)("build", *locked(folder, lock), "--tag", name, timeout=900)
    assert ended.returncode == 0, ended.stderr
    assert engine.image(name)
    return name


def locked(folder: Path, name: str) -> list[str]:
    """Put a lock of `tests/engine/locks` into a project's folder; return what makes build use it."""
    (folder / "kgpu.lock").write_bytes((LOCKS / f"{name}.lock").read_bytes())
    (folder / "pylock.toml").write_bytes((LOCKS / f"pylock.{name}.toml").read_bytes())
    return ["--locked"]


@pytest.fixture(name="locked")
def locked_fixture() -> Callable[[Path, str], list[str]]:
    return locked


@pytest.fixture(scope="session")
def unstable() -> Iterator[Callable[..., Path]]:
    """Unpacks packages of Debian's unstable suite into a folder: clients that this Debian has not, or only old ones.

    They are not installed. What runs with the machine's own libraries is started from there.
    """
    with tempfile.TemporaryDirectory(prefix="kgpu-debian-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # for clients started as another user
        apt = Apt(folder / "apt")
        apt("update")
        trees: dict[tuple[str, ...], Path] = {}

        def unpack(*packages: str) -> Path:
            if packages not in trees:
                place = folder / "-".join(packages)
                apt.unpack(place, packages)
                trees[packages] = place
            return trees[packages]

        yield unpack


@pytest.fixture
def tutorial_environment(api: "APIClient", tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a person's shell who follows a tutorial, in a home of its own; its images are removed."""
    home = tmp_path / "home"
    home.mkdir()
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    own = {key: value for key, value in os.environ.items() if not key.startswith("KGPU_ENV_")}
    yield {**own, "HOME": str(home), "PATH": programs, "KGPU_ENV_TAG": "keras-tutorial:1"}
    for name in [tag for image in api.images("keras-tutorial") for tag in image["RepoTags"]]:
        api.remove_image(name, force=True)
