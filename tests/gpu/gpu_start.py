"""Starts a program in namespaces of its own. Standard library only.

    python3 gpu_start.py NODE COMMAND...      in an own network, mount and host name namespace; it ends with its parent

The machine keeps its network, mounts and host name: loopback is set up, and missing cgroups are mounted, within.
"""

import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
from pathlib import Path

# <linux/sched.h>, <linux/mount.h>, <linux/prctl.h>
NEWNS, NEWUTS, NEWUSER, NEWNET = 0x00020000, 0x04000000, 0x10000000, 0x40000000
RDONLY, REMOUNT, BIND, REC, SLAVE = 1, 32, 4096, 16384, 1 << 19
PARENT_DIES = 1
UP = 0x41  # netdevice(7): IFF_UP | IFF_RUNNING
SET_FLAGS = 0x8914  # SIOCSIFFLAGS
CGROUPS = Path("/sys/fs/cgroup")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(code: int, what: str) -> None:
    if code:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Give this process namespaces of its own; mounts outside still arrive, those made here stay here."""
    _checked(_libc().unshare(flags), f"unshare({flags:#x})")
    if flags & NEWNS:
        _checked(_libc().mount(b"none", b"/", None, REC | SLAVE, None), "mount --make-rslave /")


def mount(kind: str, place: Path, options: str = "", flags: int = 0) -> None:
    """Mount a file system of a kind at a place."""
    words = (kind.encode(), str(place).encode(), kind.encode(), flags, options.encode() or None)
    _checked(_libc().mount(*words), f"mount -t {kind} {place}")


def cgroups() -> str:
    """Return the kind of file system at /sys/fs/cgroup: cgroup2, tmpfs (version 1, or none yet), or empty."""
    kind = ""
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, place, found, *_ = line.split()
        kind = found if place == str(CGROUPS) else kind
    return kind


def own_cgroups() -> None:
    """Mount a cgroup hierarchy where there is none, and make one writable that is not."""
    kind = cgroups()
    if not kind or (kind == "tmpfs" and not any(CGROUPS.iterdir())):
        mount("cgroup2", CGROUPS)
    elif not os.access(CGROUPS, os.W_OK):
        _checked(_libc().mount(None, str(CGROUPS).encode(), None, REMOUNT | BIND, None), f"remount {CGROUPS}")


def main() -> None:
    """Become the program."""
    _, node, *command = sys.argv
    _libc().prctl(PARENT_DIES, signal.SIGTERM)
    unshare(NEWNS | NEWNET | NEWUTS)
    if node:
        socket.sethostname(node)
    with socket.socket() as opened:  # a new namespace's loopback is down
        fcntl.ioctl(opened, SET_FLAGS, struct.pack("16sh14x", b"lo", UP))
    try:
        own_cgroups()
    except OSError as error:  # the program says what it cannot do without
        sys.stderr.write(f"{error}\n")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
