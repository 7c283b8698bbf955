"""A Docker that travels: Debian's packages, what of them is needed, and its daemon, which leaves nothing behind.

`Apt` unpacks packages of Debian's unstable suite, whose Docker has CDI, where the machine's own is older. `pack` puts
the programs that a daemon needs, with runc and the libraries of this machine, into one archive. `Daemon` starts it with
its own socket, folders, containerd and namespaces.
"""

import contextlib
import json
import lzma
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provision.engine.docker_engine import DockerEngine

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PACKAGES = ("docker.io", "containerd")
# Of the packages: no client, no network plug-ins, no proxy for ports.
PROGRAMS = ("sbin/dockerd", "bin/containerd", "bin/containerd-shim-runc-v2")
OWN = ("runc", "docker-init")  # Debian 12's: the unstable suite's runc needs glibc 2.38
# The machine's own C library must serve, and its loader: another one beside them would not start.
OF_LIBC = re.compile(r"(ld-linux|libc|libm|libdl|libpthread|librt|libresolv)[.-]")
GLIBC = (2, 35)  # what those programs need
START_SECONDS = END_SECONDS = 30
STARTER = Path(__file__).with_name("gpu_start.py")


def mirror() -> str:
    """Return where this machine gets Debian from.

    Raises:
        RuntimeError: it has no apt source of Debian.
    """
    from provision.engine.apt_sources import machine_sources  # noqa: PLC0415 - it is not there where an archive is used

    release = Path("/etc/os-release").read_text(encoding="utf-8")
    codename = re.search(r"^VERSION_CODENAME=\W*(\w+)", release, re.MULTILINE)
    lines, stanzas = machine_sources(codename[1] if codename else "")
    found = [re.search(r"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)", line) for line in lines]
    found += [re.search(r"^Uris:\s*(\S+)", stanza, re.MULTILINE) for stanza in stanzas]
    places = [match[1] for match in found if match and "security" not in match[1]]
    if not places:
        raise RuntimeError("this machine has no apt source of Debian's main component")
    return places[0]


class Apt:
    """apt with sources and state of its own: the machine's lists, cache and packages stay as they are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("parts", "state/lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        stanza = f"Types: deb\nURIs: {mirror()}\nSuites: unstable\nComponents: main\nSigned-By: {KEYRING}\n"
        (folder / "parts" / "unstable.sources").write_text(stanza)

    def __call__(self, *words: str) -> None:
        """Run apt-get.

        Raises:
            RuntimeError: it failed, with what it said.
        """
        settings = {
            "Dir::Etc::SourceList": "/dev/null",
            "Dir::Etc::SourceParts": self.folder / "parts",
            "Dir::State": self.folder / "state",
            "Dir::State::status": self.folder / "status",
            "Dir::Cache": self.folder / "cache",
            "APT::Sandbox::User": "root",  # apt's own user may not enter the folder
            "APT::Update::Error-Mode": "any",  # a suite that is not reached is otherwise a warning
            "Acquire::Languages": "none",
            "Acquire::Retries": 2,
        }
        options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
        command = ["apt-get", "-q", *options, *words]
        ended = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=120)
        if ended.returncode != 0:
            what = f"apt-get {' '.join(words)} of Debian's unstable suite failed"
            raise RuntimeError(f"{what}:\n{ended.stderr.strip()}")

    def unpack(self, place: Path, packages: tuple[str, ...]) -> None:
        """Download packages and unpack them into a new folder."""
        place.mkdir()
        self("download", *packages)
        for one in sorted(self.folder.glob("*.deb")):
            subprocess.run(["dpkg", "-x", str(one), str(place)], check=True)
            one.unlink()


def pack(tree: Path, archive: Path, preset: int = 9) -> None:
    """Write what a daemon needs of unpacked packages, with this machine's own programs and libraries, as a tar.xz.

    Args:
        tree: the unpacked packages.
        archive: the file to write.
        preset: of xz: 9 makes the smallest archive, 0 is the quickest.

    Raises:
        RuntimeError: this machine or the packages lack a program.
    """
    own = {name: shutil.which(name) for name in OWN}
    programs = {Path(name).name: tree / "usr" / name for name in PROGRAMS}
    programs |= {name: Path(path).resolve() for name, path in own.items() if path}
    lacking = [name for name in own if name not in programs] + [one for one, at in programs.items() if not at.exists()]
    if lacking:
        raise RuntimeError(f"not found: {', '.join(lacking)}")
    with lzma.open(archive, "wb", preset=preset) as packed, tarfile.open(fileobj=packed, mode="w") as out:
        for name, path in programs.items():
            out.add(path, f"usr/bin/{name}")
        for library in sorted({one for path in programs.values() for one in libraries(path)}):
            out.add(library.resolve(), f"usr/lib/{library.name}")


def libraries(program: Path) -> list[Path]:
    """Return the libraries of this machine that a program loads, without the C library."""
    told = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout
    found = re.findall(r"=> (/\S+)", told)
    return [Path(name) for name in found if not OF_LIBC.match(Path(name).name)]


class Daemon:
    """dockerd with its own socket, folders, namespaces and containerd; `end` leaves nothing of it."""

    def __init__(  # noqa: PLR0913 - one for each way in which tests' daemons differ
        self,
        programs: Path,
        *,
        features: Mapping[str, bool] | None = None,
        options: Mapping[str, str] | None = None,
        settings: Mapping[str, object] | None = None,
        listen: Sequence[str] = (),
        node: str = "",
        place: Path | None = None,
    ) -> None:
        """Start it.

        Args:
            programs: the folder with its usr/bin, usr/sbin and usr/lib.
            features: of its configuration.
            options: of its command line, beside or instead of the usual ones.
            settings: of its configuration, beside the features.
            listen: addresses beside its socket.
            node: the host name that it sees; empty: this machine's.
            place: where its folder is made; by default where temporary files are.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="kgpu-d-", dir=place))  # short: a socket's path has 107 bytes
        self.cdi = self.folder / "cdi"
        self.cdi.mkdir()
        self.address = f"unix://{self.folder}/docker.sock"
        configured = {**(settings or {}), **({"features": dict(features)} if features else {})}
        (self.folder / "daemon.json").write_text(json.dumps(configured))
        places = [str(path) for path in programs.glob("usr/*bin")]
        environment = os.environ | {"PATH": ":".join([*places, os.environ["PATH"]])}
        if (own := programs / "usr" / "lib").is_dir():
            environment["LD_LIBRARY_PATH"] = str(own)
        with (self.folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(STARTER), node, *self._command(options or {}, listen)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for whoever started it, whose end ends it
            )

    def _command(self, more: Mapping[str, str], listen: Sequence[str]) -> list[str]:
        options = {
            "host": self.address,
            "config-file": self.folder / "daemon.json",
            "data-root": self.folder / "data",
            "exec-root": self.folder / "exec",
            "pidfile": self.folder / "docker.pid",
            "cdi-spec-dir": self.cdi,
            "userland-proxy": "false",
            **more,
        }
        words = [f"--{key}={value}" for key, value in options.items()]
        return ["dockerd", *words, *(f"--host={one}" for one in listen)]

    @property
    def inside(self) -> tuple[str, ...]:
        """What starts a command in the daemon's network."""
        return ("nsenter", f"--net=/proc/{self.process.pid}/ns/net")

    def wait(self) -> "DockerEngine":
        """Return its engine when it answers.

        Raises:
            RuntimeError: it does not, with the end of its log; nothing of it is left.
        """
        from provision.engine.docker import connect  # noqa: PLC0415 - as above
        from provision.errors import KgpuError  # noqa: PLC0415 - as above

        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            try:
                found = connect(self.address)
            except KgpuError:
                time.sleep(0.1)
            else:
                return found  # type: ignore[return-value] # it is Docker
        log = self.log()
        self.end()
        raise RuntimeError("\n".join(["Docker's daemon does not start:", *log]))

    def log(self) -> list[str]:
        """Return the end of its log."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace").splitlines()[-15:]

    def end(self) -> None:
        """End it and its containerd, and remove its folder."""
        containerd = self._containerd()
        self.process.terminate()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if containerd and str(self.folder).encode() in _command_line(containerd):
            os.kill(containerd, signal.SIGKILL)
        for mounted in reversed(self.mounts()):
            subprocess.run(["umount", "--lazy", mounted], check=False)
        shutil.rmtree(self.folder)

    def _containerd(self) -> int:
        """Return the process that dockerd started for itself and ends itself, unless it is killed."""
        path = self.folder / "exec" / "containerd" / "containerd.pid"
        with contextlib.suppress(OSError, ValueError):
            return int(path.read_text())
        return 0

    def mounts(self) -> list[str]:
        """Return the mounts below its folder that this process sees."""
        found = (line.split()[1] for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines())
        return [place for place in found if Path(place).is_relative_to(self.folder)]


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has ended
        return b""
