"""What the tests with real clients share: a terminal, a plan to export, somebody else's ids. No GPU is here."""

import fcntl
import os
import pty
import re
import select
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from provision.catalogue import load
from provision.emit import Order, emit
from provision.model import Access, Host, Request, Vendor
from provision.render import render
from provision.resolve import resolve

VERSION = "0.89.0"  # of the client of devcontainers
CLIENT = f"@devcontainers/cli@{VERSION}"
NODE = Path(__file__).parents[3] / ".state" / f"devcontainers-{VERSION}"
SCRIPT = str(Path(sys.executable).with_name("kgpu-env"))
LINES, COLUMNS = 24, 80
WAIT_SECONDS = 30
GROUP = 987654  # of the made-up device: no group of any machine
# What moves the cursor or colours: no word of it is looked for.
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x1b\][^\x07]*\x07")


class Terminal:
    """A command at a real terminal of its own: keys go in, what a person would see comes out."""

    def __init__(self, folder: Path, *words: str, stdout: int | None = None) -> None:
        self.keys, self.screen = pty.openpty()
        self.resize(LINES, COLUMNS)
        self.settings = termios.tcgetattr(self.screen)
        self.seen = ""
        self.at = 0  # what was expected before is not looked for again
        environment = {key: value for key, value in os.environ.items() if not key.startswith("KGPU_ENV_")}
        self.process = subprocess.Popen(
            # A session of its own with this terminal as its controlling one, so that Ctrl-C arrives as a person's does.
            ["setsid", "--ctty", "--wait", SCRIPT, *words],
            cwd=folder,
            env=environment | {"TERM": "xterm-256color"},
            stdin=self.screen,
            stdout=stdout or self.screen,
            stderr=self.screen,
        )

    def resize(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self.screen, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, text: str) -> None:
        # No person is faster; and a signal between readline's prompt and its wait would be seen at the next key only.
        time.sleep(0.3)
        os.write(self.keys, text.encode())

    def read(self) -> bool:
        """Take what has been written since; tells whether there was something."""
        if not select.select([self.keys], [], [], 0.1)[0]:
            return False
        self.seen += ESCAPES.sub("", os.read(self.keys, 1 << 16).decode(errors="replace")).replace("\r", "")
        return True

    def expect(self, text: str) -> None:
        """Wait until a text shows after what was expected last."""
        end = time.monotonic() + WAIT_SECONDS
        while (found := self.seen.find(text, self.at)) < 0:
            if time.monotonic() > end or (not self.read() and self.process.poll() is not None and not self.read()):
                pytest.fail(f"{text!r} did not show after:\n{self.seen}", pytrace=False)
        self.at = found + len(text)

    def end(self) -> int:
        """Wait for the command's end and return its exit code; what it wrote last is read."""
        end = time.monotonic() + WAIT_SECONDS
        while self.process.poll() is None:
            self.read()
            assert time.monotonic() < end, self.seen
        while self.read():
            pass
        return self.process.returncode

    @property
    def restored(self) -> bool:
        """Whether the terminal is set as it was before: echo, line editing, Ctrl-C."""
        return termios.tcgetattr(self.screen) == self.settings

    def hang_up(self) -> None:
        """Close the window."""
        os.close(self.keys)
        self.keys = -1

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.screen)
        if self.keys >= 0:
            os.close(self.keys)


@pytest.fixture(scope="session")
def program() -> str:
    """The reference client of the development container specification, whatever the machine has of its own."""
    installed = NODE / "node_modules" / ".bin" / "devcontainer"
    if not installed.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.fail("the devcontainer tests need npm: apt-get install npm", pytrace=False)
        subprocess.run([npm, "install", "--silent", "--no-audit", "--no-fund", f"--prefix={NODE}", CLIENT], check=True)
    return str(installed)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Starts kgpu-env at a terminal, in the test's folder."""
    opened: list[Terminal] = []

    def start(*words: str, stdout: int | None = None) -> Terminal:
        opened.append(Terminal(tmp_path, *words, stdout=stdout))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may enter; every start of pytest closes its own ones to others."""
    with tempfile.TemporaryDirectory(prefix="kgpu-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def export() -> Callable[..., None]:
    """Writes the files of an output, for a CPU stack, to a folder; as exported by `uid`."""

    def write(
        folder: Path, kind: str, image: str | None, uid: int, access: Access | None = None, **more: object
    ) -> None:
        parts: dict[str, Any] = {name: more.pop(name, None) for name in ("network", "base")}
        request = Request(vendor=Vendor.CPU)
        stack = resolve(load(), Host(), request)
        plan = render(load(), stack, request, **parts)
        order = Order(
            stack=stack,
            request=request,
            host=Host(),
            access=access or Access(),
            plan=replace(plan, tag=image or plan.tag),
            # Apptainer takes an image without a registry's name from the engine.
            image=None if kind == "apptainer" else image,
            developer=(uid, uid),
            **more,  # type: ignore[arg-type] # an Order's own fields
        )
        files = {name: text for name, text in emit(kind, order).items() if not name.endswith("/netrc")}
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


@pytest.fixture
def become(place: Path) -> Callable[[int], list[str]]:
    """What starts a command as the user with an id: with a name, folders, and the right to use the engine."""
    if os.geteuid() != 0:
        pytest.skip("to be another user, this test has to be root")

    def before(uid: int) -> list[str]:
        # Clients name their folder for temporary files after the user, and another id has the same name here.
        home, temporary = place / f"home-{uid}", place / f"tmp-{uid}"
        for folder in (home, temporary):
            folder.mkdir()
            os.chown(folder, uid, uid)
        words = ["env", f"HOME={home}", f"TMPDIR={temporary}"]
        if uid:
            names = place / f"passwd-{uid}"
            names.write_text(f"{Path('/etc/passwd').read_text()}\ndeveloper:x:{uid}:{uid}::{home}:/bin/sh\n")
            group = Path("/var/run/docker.sock").stat().st_gid
            ids = ["setpriv", f"--reuid={uid}", f"--regid={uid}", f"--groups={group}"]
            words = [
                "unshare",
                "--mount",
                "sh",
                "-c",
                f'mount --bind {names} /etc/passwd && exec "$@"',
                "-",
                *ids,
                *words,
            ]
        return words

    return before


@pytest.fixture
def device() -> Iterator[Path]:
    """A character device, /dev/null's twin, of mode 0660 and a group that only its number names: no GPU is here."""
    if os.geteuid() != 0:
        pytest.skip("to make a device, this test has to be root")
    path = Path(f"/dev/kgpu-test-{time.monotonic_ns()}")
    os.mknod(path, stat.S_IFCHR | 0o660, os.makedev(1, 3))
    path.chmod(0o660)  # whatever the umask is
    os.chown(path, 0, GROUP)
    yield path
    path.unlink()


@pytest.fixture(params=[(GROUP,), ()], ids=["with-group", "without"])
def access(request: pytest.FixtureRequest, device: Path) -> Access:
    """The way of AMD's GPUs: the device node, and the group that owns it by number; or without that group."""
    return Access(method="device-nodes", nodes=(str(device),), groups=request.param)
