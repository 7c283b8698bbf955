"""What a machine lacks for a container engine of its own: looked at, and tried where only trying tells.

    python3 gpu_needs.py [FOLDER]       all of it as JSON; FOLDER is where the engine would keep its images

Each try is a process of its own with namespaces of its own, so that the machine stays as it is.
"""

import contextlib
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import gpu_start
from gpu_docker import GLIBC

TRY_SECONDS = 20
MIB = 1 << 20


class Need(NamedTuple):
    """One thing that a container engine needs, or does better with."""

    name: str
    ok: bool
    seen: str
    without: str  # what follows where it is lacking

    def as_json(self) -> dict[str, Any]:
        """Return it for the report."""
        return self._asdict()


def namespaces(_: Path) -> None:
    """Make the namespaces of a daemon."""
    gpu_start.unshare(gpu_start.NEWNS | gpu_start.NEWNET | gpu_start.NEWUTS)
    socket.sethostname("kgpu-try")


def user_namespace(_: Path) -> None:
    """Make a user namespace."""
    gpu_start.unshare(gpu_start.NEWUSER)


def mounting(folder: Path) -> None:
    """Mount a file system in memory."""
    gpu_start.unshare(gpu_start.NEWNS)
    gpu_start.mount("tmpfs", folder)


def overlay(folder: Path) -> None:
    """Mount an overlay as the engine does, and write into it."""
    gpu_start.unshare(gpu_start.NEWNS)
    lower, upper, work, merged = (folder / name for name in ("lower", "upper", "work", "merged"))
    for one in (lower, upper, work, merged):
        one.mkdir()
    (lower / "file").touch()
    gpu_start.mount("overlay", merged, f"lowerdir={lower},upperdir={upper},workdir={work}")
    (merged / "file").unlink()  # a whiteout, which not every file system below can hold
    (merged / "new").touch()


def cgroup(_: Path) -> None:
    """Make a cgroup, as a daemon would see them."""
    gpu_start.unshare(gpu_start.NEWNS)
    gpu_start.own_cgroups()
    root = gpu_start.CGROUPS
    root = root if gpu_start.cgroups() == "cgroup2" else root / "devices"
    made = root / f"kgpu-try-{os.getpid()}"
    made.mkdir()
    made.rmdir()


TRIES: Mapping[str, Callable[[Path], None]] = {
    one.__name__: one for one in (namespaces, user_namespace, mounting, overlay, cgroup)
}


def fails(name: str, place: Path) -> str:
    """Return why a try fails below a place, empty where it works."""
    try:
        with tempfile.TemporaryDirectory(prefix="kgpu-try-", dir=place) as folder:
            words = [sys.executable, __file__, "--try", name, folder]
            ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=TRY_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = ended.stderr.strip().splitlines()
    return "" if ended.returncode == 0 else (said[-1] if said else f"exit {ended.returncode}")


def tried(name: str, place: Path, seen: str, without: str) -> Need:
    """Return a need that only trying tells of."""
    problem = fails(name, place)
    return Need(name, not problem, problem or seen, without)


def glibc() -> Need:
    """Is the C library new enough for the programs that travel?"""
    kind, version = platform.libc_ver()
    parts = tuple(int(part) for part in version.split(".") if part.isdecimal())
    need = ".".join(map(str, GLIBC))
    return Need(
        "glibc", kind == "glibc" and parts >= GLIBC, f"{kind or 'unknown'} {version}", f"they need glibc {need}"
    )


def controllers() -> Need:
    """Which limits can the engine set?"""
    kind = gpu_start.cgroups()
    text = ""
    with contextlib.suppress(OSError):
        text = (gpu_start.CGROUPS / "cgroup.controllers").read_text(encoding="utf-8")
        text = f"version 2: {text.strip() or 'no controllers'}"
    if not text:
        names = sorted(path.name for path in gpu_start.CGROUPS.iterdir())
        text = f"version 1: {', '.join(names)}" if kind == "tmpfs" else "not mounted"
    ok = "pids" in text and "memory" in text
    return Need("controllers", ok, text, "containers run without a limit on memory or processes")


def space(folder: Path) -> Need:
    """Is there room for images?"""
    free = shutil.disk_usage(folder).free // MIB
    return Need("space", free > 16 * 1024, f"{free} MiB free at {folder}", "an image with CUDA has 6 GB")


def needs(folder: Path) -> list[Need]:
    """Return all of it, for an engine whose images are in a folder."""
    words = "the engine copies the image for each container (vfs)"
    return [
        Need("root", os.geteuid() == 0, f"uid {os.geteuid()}", "no daemon can be started"),
        glibc(),
        tried("namespaces", folder, "mount, network and host name", "no daemon can be started apart from the machine"),
        tried("user_namespace", folder, "can be made", "nothing: the daemon runs as root"),
        tried("mounting", folder, "permitted", "no container can be started"),
        tried("overlay", folder, f"works at {folder}", words),
        tried("cgroup", folder, gpu_start.cgroups() or "mounted within", "no container can be started"),
        controllers(),
        space(folder),
    ]


def main() -> None:
    """Try one thing, or tell all."""
    if sys.argv[1:2] == ["--try"]:
        try:
            TRIES[sys.argv[2]](Path(sys.argv[3]))
        except OSError as error:
            sys.exit(error.strerror or str(error))
        return
    folder = Path(sys.argv[1]) if sys.argv[1:] else Path(tempfile.gettempdir())
    sys.stdout.write(json.dumps([one.as_json() for one in needs(folder)], indent=1) + "\n")


if __name__ == "__main__":
    main()
