"""An engine of one's own that may be killed or filled up, a project with a lock, a tiny base."""

import contextlib
import gc
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from gpu_docker import STARTER, Daemon

from provision.engine.network import build_network
from provision.lock import pins, read_lock
from provision.lock.uv_program import provide_uv
from provision.model import Network
from provision.resources import cache_folder

if TYPE_CHECKING:
    from provision.engine.docker_engine import DockerEngine
    from provision.engine.protocol import Image

KgpuEnv = Any  # the class of ../conftest.py
NOWHERE = Path("/nonexistent")  # the programs are the machine's own
TOOLS = ("sh", "sleep", "dd", "cat", "mkdir")
REFERENCE = read_lock(Path(__file__).parents[3] / "images" / "locks" / "cuda.lock")


class OwnDaemon(Daemon):
    """The machine's own dockerd once more, apart from the one that runs; older ones know no CDI."""

    def _command(self, more: Mapping[str, str], listen: Sequence[str]) -> list[str]:
        return [word for word in super()._command(more, listen) if not word.startswith("--cdi-spec-dir")]

    def kill(self) -> None:
        """End it as the kernel does when memory is short."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        containerd = self._containerd()
        with contextlib.suppress(ProcessLookupError):
            if containerd:
                os.kill(containerd, signal.SIGKILL)

    def free_bytes(self) -> int:
        """What is free where its images are; an engine in a namespace of its own does not tell that."""
        found = os.statvfs(self.folder)
        return found.f_bfree * found.f_frsize

    def again(self) -> "DockerEngine":
        """Start it once more on what the first left behind, and return its engine."""
        (self.folder / "docker.pid").unlink(missing_ok=True)
        shutil.rmtree(self.folder / "exec" / "containerd")
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(STARTER), "", *self._command({}, ())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self.wait()


@pytest.fixture
def own_daemon() -> Iterator[Callable[..., OwnDaemon]]:
    """Starts an engine, on a disk of so many MiB where that is asked for."""
    if os.geteuid() != 0:
        pytest.fail("they start a daemon and need root", pytrace=False)
    started: list[OwnDaemon] = []
    disks: list[str] = []

    def start(mib: int = 0) -> OwnDaemon:
        place = None
        if mib:
            place = Path(tempfile.mkdtemp(prefix="kgpu-disk-"))
            disks.append(str(place))
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(place)], check=True)
        started.append(OwnDaemon(NOWHERE, place=place))
        return started[-1]

    yield start
    gc.collect()  # sockets that nobody closed belong to the test that leaves them
    for daemon in started:
        daemon.end()
    for disk in disks:
        subprocess.run(["umount", "--lazy", disk], check=False)
        Path(disk).rmdir()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a base of 3 MB as a tar file: a shell, a few tools, what they load, and room for what they write."""
    path = tmp_path_factory.mktemp("tiny") / "root.tar"
    programs = {name: Path(shutil.which(name) or "").resolve() for name in TOOLS}
    told = [subprocess.run(["ldd", one], capture_output=True, text=True, check=True) for one in programs.values()]
    places = {f"bin/{name}": one for name, one in programs.items()}
    places |= {name[1:]: Path(name) for name in re.findall(r"(/\S+) \(0x", "".join(one.stdout for one in told))}
    with tarfile.open(path, "w") as archive:
        for name in ("tmp", "etc", "proc", "sys", "dev"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder)
        for place, source in places.items():
            info = tarfile.TarInfo(place)
            info.mode, content = 0o755, source.resolve().read_bytes()
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def tiny_base(tiny: Path) -> Callable[["DockerEngine"], str]:
    """Gives the base to an engine."""

    def give(engine: "DockerEngine") -> str:
        engine.import_image(str(tiny), "kgpu-test/tiny:1", {})
        return "kgpu-test/tiny:1"

    return give


@pytest.fixture(scope="session", autouse=True)
def _uv_ready(engine: "DockerEngine") -> None:
    """uv for builds is in this session's cache: the index of a test has none."""
    files = build_network(Network(), os.environ).files
    cache = cache_folder(os.environ)
    assert provide_uv("0.13.9", pins(REFERENCE), engine.describe().architecture, cache=cache, files=files, log=print)


@pytest.fixture
def wheels(made_wheels: ModuleType) -> dict[str, bytes]:
    """An index's page and file, by path."""
    content, file = made_wheels.wheel("demo"), "demo-1-py3-none-any.whl"
    mark = hashlib.sha256(content).hexdigest()
    page = f'<a href="/files/{file}#sha256={mark}">{file}</a>\n'
    return {f"/files/{file}": content, "/simple/demo/": page.encode()}


class Attempt:
    """A locked build of the made-up wheels, by the command, and what it leaves behind."""

    def __init__(self, kgpu_env: KgpuEnv, write: Callable[..., None], engine: "DockerEngine", tag: str) -> None:
        self.kgpu_env, self.engine, self.tag = kgpu_env, engine, tag
        self._write = write

    def words(self, index: str = "", base: str | None = None, settings: str = "") -> tuple[str, ...]:
        """Write the project, with an index at HOST:PORT; return the command."""
        self._write(self.kgpu_env.folder, base)
        network = f"index_url: 'http://{index}/simple'" if index else ""
        (self.kgpu_env.folder / "kgpu-env.yaml").write_text(f"network: {{{network}}}\n{settings}")
        return ("build", "--locked", "--json", "--progress", "plain", "--tag", self.tag)

    def __call__(self, *more: str, env: Mapping[str, str] = {}, **project: str) -> "subprocess.CompletedProcess[str]":
        ended: subprocess.CompletedProcess[str] = self.kgpu_env(*self.words(**project), *more, env=env)
        return ended

    @property
    def image(self) -> "Image | None":
        """What has the tag."""
        return self.engine.image(self.tag)


@pytest.fixture
def attempt(kgpu_env: KgpuEnv, base: str, made_wheels: ModuleType, engine: "DockerEngine", tag: str) -> Attempt:
    def write(folder: Path, other: str | None) -> None:
        made_wheels.write_lock(folder, "http://nowhere.invalid", other or base, names=("demo",))

    return Attempt(kgpu_env, write, engine, tag)


@pytest.fixture
def failed(attempt: Attempt) -> Callable[["subprocess.CompletedProcess[str]"], dict[str, str]]:
    """Holds that a build failed with a clear error and nothing left; returns the error."""

    def look(ended: "subprocess.CompletedProcess[str]", code: int = 6) -> dict[str, str]:
        assert ended.returncode == code, ended.stderr
        assert "Traceback" not in ended.stderr
        assert attempt.image is None
        error: dict[str, str] = json.loads(ended.stdout)
        assert error["text"]
        assert error["fix"]
        return error

    return look
