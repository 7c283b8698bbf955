"""Unpacks a capture of another machine: whatever is in the archive, nothing is written but below one folder."""

import gzip
import io
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Final

from provision.errors import InputError
from provision.files import read_file
from provision.probe.collector import ENTRIES, TOTAL_BYTES

SUFFIX: Final = ".tar.gz"
_MOST: Final = 2 * TOTAL_BYTES  # bytes unpacked: what the collector copies, with the archive's own
_FIX: Final = "make it again on that machine: kgpu-env probe --capture NODE.tar.gz"


def unpack(path: Path, folder: Path) -> None:
    """Unpack a capture into an empty folder.

    Args:
        path: what `kgpu-env probe --capture` or the collector wrote.
        folder: is there, and nobody else's.

    Raises:
        InputError: KGE-940, it cannot be read, or is none: broken, too large unpacked, or with what no capture has.
    """
    try:
        data = _unpacked(read_file(path, TOTAL_BYTES))
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            members = tar.getmembers()
            if len(members) > ENTRIES:
                raise _refused(path, f"it has more than {ENTRIES} entries")
            for member in members:
                _write(path, tar, member, folder)
    except OSError as error:
        raise _refused(path, error.strerror or str(error)) from error
    except (EOFError, zlib.error, tarfile.TarError, ValueError) as error:
        raise _refused(path, f"it is broken: {error}") from error


def _refused(path: Path, cause: str) -> InputError:
    return InputError("KGE-940", f"{path} is no capture of a machine.", cause=cause, fix=_FIX)


def _unpacked(data: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
        found = packed.read(_MOST + 1)
    if len(found) > _MOST:
        raise ValueError(f"unpacked it has more than {_MOST >> 20} MiB")
    return found


def _write(path: Path, tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Write one entry: a plain file, a folder, or a link that is only a name beside it."""
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or "\0" in member.name:
        raise _refused(path, f"its entry {member.name!a} leads out of it")
    place = folder / name
    if any(parent.is_symlink() for parent in place.parents if parent.is_relative_to(folder)):
        raise _refused(path, f"its entry {member.name!a} leads through a link")
    if member.isdir():
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    if member.issym() and member.linkname not in {"", ".", ".."} and not set("/\0") & set(member.linkname):
        place.symlink_to(member.linkname)
    elif member.isreg() and not member.issparse() and (content := tar.extractfile(member)):
        with place.open("xb") as file:
            file.write(content.read())
    else:
        raise _refused(path, f"its entry {member.name!a} is neither file nor folder, or a link to another place")
