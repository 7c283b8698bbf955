"""The current Docker of Debian's unstable suite, beside the machine's own engine and apart from it.

It runs in a network namespace of its own, so that its bridge and firewall rules are nobody else's and end with it.
It reaches nothing outside; a registry on its bridge stands in for the network. Twice: with the graph driver that
Docker 28 starts with, and with containerd's image store.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from provision.engine.docker import connect
from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import BuildStep, Built, Context
from provision.errors import KgpuError

if TYPE_CHECKING:
    from docker import APIClient

START_SECONDS = 30
END_SECONDS = 30
NOT_NEEDED = ("doc", "locale", "man", "perl")  # of /usr/share, a third of the base
# A new namespace's loopback is down. SIOCSIFFLAGS (netdevice(7)) with IFF_UP | IFF_RUNNING; `ip` may not be there.
LOOPBACK = """
import fcntl, os, socket, struct, sys
with socket.socket() as opened:
    fcntl.ioctl(opened, 0x8914, struct.pack("16sh14x", b"lo", 0x41))
os.execvp(sys.argv[1], sys.argv[1:])
"""


def fail(text: str) -> None:
    pytest.fail(f"the tests with a current Docker cannot be prepared: {text}", pytrace=False)


@pytest.fixture(scope="session")
def programs(unstable: Callable[..., Path]) -> Path:
    """The folder of the unpacked packages; runc is the machine's."""
    if os.geteuid() != 0:
        fail("they start a daemon and need root")
    return unstable("docker.io", "containerd")


class Daemon:
    """dockerd with its own socket, folders, namespace and containerd; `end` leaves nothing of it."""

    def __init__(self, programs: Path, features: dict[str, bool]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="kgpu-d-"))  # short: a socket's path has at most 107 bytes
        self.cdi = self.folder / "cdi"
        self.cdi.mkdir()
        self.address = f"unix://{self.folder}/docker.sock"
        (self.folder / "daemon.json").write_text(json.dumps({"features": features} if features else {}))
        places = [str(path) for path in programs.glob("usr/*bin")]
        with (self.folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                self._command(),
                env=os.environ | {"PATH": ":".join([*places, os.environ["PATH"]])},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the tests, whose end ends it
            )

    def _command(self) -> list[str]:
        options = {
            "host": self.address,
            "config-file": self.folder / "daemon.json",
            "data-root": self.folder / "data",
            "exec-root": self.folder / "exec",
            "pidfile": self.folder / "docker.pid",
            "cdi-spec-dir": self.cdi,
            "userland-proxy": "false",
        }
        docker = ["dockerd", *(f"--{key}={value}" for key, value in options.items())]
        # setpriv: it ends with the tests' process, also when that is killed.
        return ["setpriv", "--pdeathsig=TERM", "unshare", "--net", sys.executable, "-c", LOOPBACK, *docker]

    @property
    def inside(self) -> tuple[str, ...]:
        """What starts a command in the daemon's network."""
        return ("nsenter", f"--net=/proc/{self.process.pid}/ns/net")

    def wait(self) -> DockerEngine:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            try:
                found = connect(self.address)
            except KgpuError:
                time.sleep(0.1)
            else:
                assert isinstance(found, DockerEngine)
                return found
        log = (self.folder / "log").read_text().splitlines()[-15:]
        self.end()
        return pytest.fail("\n".join(["Debian's current dockerd does not start:", *log]), pytrace=False)

    def end(self) -> None:
        containerd = self._containerd()
        self.process.terminate()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if containerd and str(self.folder).encode() in cmdline(containerd):
            os.kill(containerd, signal.SIGKILL)
        for mounted in reversed(self.mounts()):
            subprocess.run(["umount", "--lazy", mounted], check=False)
        shutil.rmtree(self.folder)

    def _containerd(self) -> int:
        """The process that dockerd started for itself and ends itself, unless it is killed."""
        path = self.folder / "exec" / "containerd" / "containerd.pid"
        return int(path.read_text()) if path.exists() else 0

    def mounts(self) -> list[str]:
        found = (line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines())
        return [place for place in found if Path(place).is_relative_to(self.folder)]


def cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has ended
        return b""


@pytest.fixture
def daemon(programs: Path) -> Callable[..., Daemon]:
    """Starts one more; the test ends it."""
    return lambda **features: Daemon(programs, features)


class Modern(NamedTuple):
    """A current Docker that answers."""

    daemon: Daemon
    engine: DockerEngine
    store: str  # graph or containerd
    spec: Callable[[str, dict[str, dict[str, object]]], None]  # writes a CDI specification: kind, edits by device

    @property
    def api(self) -> "APIClient":
        return self.engine._api  # noqa: SLF001 - the tests' only way to see what is left

    @property
    def environment(self) -> dict[str, str]:
        return {"DOCKER_HOST": self.daemon.address}


@pytest.fixture(scope="session", params=["graph", "containerd"])
def docker28(programs: Path, request: pytest.FixtureRequest) -> Iterator[Modern]:
    store: str = request.param
    daemon = Daemon(programs, {"containerd-snapshotter": True} if store == "containerd" else {})
    engine = daemon.wait()

    def spec(kind: str, edits: dict[str, dict[str, object]]) -> None:
        devices = [{"name": name, "containerEdits": edit} for name, edit in edits.items()]
        text = json.dumps({"cdiVersion": "0.6.0", "kind": kind, "devices": devices})
        (daemon.cdi / f"{kind.replace('/', '-')}.json").write_text(text)

    yield Modern(daemon, engine, store, spec)
    engine.close()
    daemon.end()


@pytest.fixture(scope="session")
def rootfs(engine: DockerEngine, base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The root file system of the machine's own base, as a tar file."""
    api = engine._api  # noqa: SLF001 - the engine of the product has no export
    path = tmp_path_factory.mktemp("rootfs") / "root.tar"
    made = api.create_container(base, "true")["Id"]
    try:
        with path.open("wb") as file:
            file.writelines(api.export(made))
    finally:
        api.remove_container(made)
    subprocess.run(["tar", "--delete", "-f", str(path), *(f"usr/share/{name}" for name in NOT_NEEDED)], check=True)
    yield path
    path.unlink()


@pytest.fixture(scope="session")
def debian(docker28: Modern, rootfs: Path, base: str) -> str:
    """A Debian with Python on the current Docker, by the name under which the engine's own tests look for it."""
    docker28.engine.import_image(str(rootfs), base, {"made": 'of "a" $TAR'})
    return base


@pytest.fixture
def name(docker28: Modern) -> Iterator[str]:
    """A tag whose image is removed at the end."""
    from docker.errors import ImageNotFound  # noqa: PLC0415 - slow to import

    tag = f"kgpu-test/t{time.monotonic_ns()}:1"
    yield tag
    try:
        docker28.api.remove_image(tag, force=True)
    except ImageNotFound:
        return


@pytest.fixture
def make(docker28: Modern, debian: str, name: str) -> Callable[..., Built]:
    """Build lines on top of the Debian."""

    def run(*lines: str, seen: list[BuildStep] | None = None, **files: bytes) -> Built:
        text = "\n".join((f"FROM {debian}", *lines, ""))
        report = seen.append if seen is not None else lambda _: None
        return docker28.engine.build(Context(files={"Dockerfile": text.encode(), **files}), name, report, {})

    return run
