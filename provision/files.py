"""Reads files that people and other programs name: what they are is seen before a byte of them is read."""

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

MIB: Final = 1 << 20
LIMIT: Final = 16 * MIB  # bytes of a host file, a lock, a project file, a catalogue's table; none has a MiB
_KINDS: Final = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def read_file(path: Path, limit: int = LIMIT) -> bytes:
    """Return what is in a plain file of at most `limit` bytes.

    A pipe is never waited for: whoever has text there puts it into a file first.

    Raises:
        OSError: with the reason as its `strerror`: absent, not readable, no plain file, or larger than `limit`.
    """
    return read_with_status(path, limit)[0]


def read_with_status(path: Path, limit: int = LIMIT, *, follow: bool = True) -> tuple[bytes, os.stat_result]:
    """Return the same as `read_file`, with owner and mode of the file that was read.

    Args:
        path: the file.
        limit: the most bytes that it may have.
        follow: whether it may be a symbolic link.

    Raises:
        OSError: as `read_file`; also for a link that is not to be followed.
    """
    try:
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
        descriptor = os.open(path, flags if follow else flags | os.O_NOFOLLOW)
    except ValueError as error:  # a null character
        raise OSError(errno.EINVAL, f"no file has such a name ({error})", str(path)) from error
    except OSError as error:
        if follow or error.errno != errno.ELOOP:
            raise
        raise OSError(errno.ELOOP, "it is a symbolic link, not a file", str(path)) from error
    try:
        status = os.fstat(descriptor)
        kind = next((name for test, name in _KINDS if test(status.st_mode)), "")
        if kind:
            raise OSError(errno.EINVAL, f"it is {kind}, not a file", str(path))
        # The size alone does not tell: files of /proc have none.
        content = b"" if status.st_size > limit else _read(descriptor, limit + 1)
    finally:
        os.close(descriptor)
    if max(len(content), status.st_size) > limit:
        raise OSError(errno.EFBIG, f"it is larger than {limit // MIB or 1} MiB, which no such file is", str(path))
    return content, status


def _read(descriptor: int, limit: int) -> bytes:
    with open(descriptor, "rb", closefd=False) as file:
        return file.read(limit)


def open_to_others(status: os.stat_result) -> bool:
    """Tell whether anybody but its owner may read or write what has this status."""
    return bool(status.st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def writable_by_all(path: Path) -> bool:
    """Tell whether everybody may put files into the folder; one that is not there belongs to nobody."""
    try:
        return bool(path.stat().st_mode & stat.S_IWOTH)
    except OSError:
        return False


def state_home(environment: Mapping[str, str]) -> Path:
    """Return the folder of what this program remembers: `kgpu-env` in XDG_STATE_HOME, else in ~/.local/state."""
    home = environment.get("XDG_STATE_HOME", "")
    if home.startswith("/"):  # a relative path is to be ignored, says the XDG Base Directory Specification
        return Path(home) / "kgpu-env"
    try:
        return Path.home() / ".local/state/kgpu-env"
    except RuntimeError:  # a user without a home: nothing can be kept there, and whoever must keep something says so
        return Path("/dev/null/kgpu-env")


def is_others(path: Path) -> bool:
    """Tell whether a file could have been written by another user than this one or root: it is not to be run."""
    found = path.stat()
    return found.st_uid not in {0, os.geteuid()} or bool(found.st_mode & stat.S_IWOTH)
