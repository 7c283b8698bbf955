"""The archive: an uncompressed tar whose bytes follow from its parts alone, and a reader that believes nothing.

Nothing in it is compressed, so that no archive is larger unpacked than it is; wheels are compressed themselves.
"""

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import msgspec
from msgspec.structs import replace

from provision.bundle.document import FIRST, HEAD, Bundle, Part
from provision.errors import InputError
from provision.model import decode, encode

_CHUNK: Final = 1 << 20
_HEAD_LIMIT: Final = 4 << 20  # bytes; a hundred wheels and layers take 30 KB
_FIX: Final = "copy it again from where it was made, or make it anew: kgpu-env bundle"
_PLAIN: Final = (tarfile.REGTYPE, tarfile.AREGTYPE)


def pack(place: Path, head: Bundle, parts: Mapping[str, bytes | Path], *, force: bool = False) -> Bundle:
    """Write a bundle, whole or not at all, and return it with the list of its parts.

    Raises:
        InputError: KGE-634, there is a file of that name; KGE-605, it cannot be written. Nothing is left behind.
    """
    order = sorted(parts, key=lambda path: (path not in FIRST, path))
    try:
        listed = replace(head, parts=tuple(_part(path, parts[path]) for path in order))
        handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name[:100]}.")
        try:
            with os.fdopen(handle, "wb") as file:
                _write_tar(file, {HEAD: (encode(listed) + "\n").encode()} | {path: parts[path] for path in order})
            Path(name).chmod(0o644)
            if force:
                Path(name).replace(place)
            else:
                os.link(name, place)  # unlike a renaming, it never replaces a file
        finally:
            Path(name).unlink(missing_ok=True)
    except FileExistsError:
        refuse_existing(place, force=force)
        raise
    except OSError as error:
        why, fix = error.strerror or str(error), "name a file in a folder that you can write to, on a disk with room"
        raise InputError("KGE-605", f"{place} cannot be written.", cause=why, fix=fix) from error
    return listed


def refuse_existing(place: Path, *, force: bool) -> None:
    """Raise InputError KGE-634 where there is a file already, before long work."""
    if not force and os.path.lexists(place):
        fix = "name another with -o, move it away, or replace it with --force"
        raise InputError("KGE-634", f"{place} is kept: it is there already.", fix=fix)


def _write_tar(file: IO[bytes], parts: Mapping[str, bytes | Path]) -> None:
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, content in parts.items():
            _add(tar, path, content)


def _part(path: str, content: bytes | Path) -> Part:
    found, size = hashlib.sha256(), 0
    with _opened(content) as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
            size += len(chunk)
    return Part(path=path, bytes=size, sha256=found.hexdigest())


def _add(tar: tarfile.TarFile, path: str, content: bytes | Path) -> None:
    member = tarfile.TarInfo(path)
    member.mode = 0o644
    with _opened(content) as file:
        member.size = file.seek(0, io.SEEK_END)
        file.seek(0)
        tar.addfile(member, file)


def _opened(content: bytes | Path) -> IO[bytes]:
    return content.open("rb") if isinstance(content, Path) else io.BytesIO(content)


def read_head(path: Path) -> Bundle:
    """Return what a bundle says of itself; no part is checked.

    Raises:
        InputError: KGE-221, it cannot be read, or is none.
    """
    with _reading(path) as tar:
        return _head(path, tar)


def unpack(path: Path, folder: Path | None, *, only: Collection[str] = ()) -> Bundle:
    """Write the parts of a bundle below an empty folder, each checked by its size and hash.

    Args:
        path: the bundle.
        folder: where they go; None: they are only checked.
        only: these parts alone, and no look at the others.

    Raises:
        InputError: KGE-221, a part is missing, damaged, there twice, not listed, or no plain file; it is named.
    """
    with _reading(path) as tar:
        head = _head(path, tar)
        listed = {part.path: part for part in head.parts}
        left = dict(listed) if not only else {name: one for name, one in listed.items() if name in only}
        _check_list(path, head, listed)
        while left and (member := tar.next()):
            if member.name not in listed:
                raise _refused(path, f"{member.name[:100]!r} is in it and not in its list")
            if member.name not in left and not only:
                raise _refused(path, f"{member.name} is in it twice")
            if member.name in left:
                _write(path, tar, member, left.pop(member.name), folder)
        if left:
            raise _refused(path, f"{next(iter(left))} is missing")
        if not only and (more := tar.next()):
            raise _refused(path, f"{more.name[:100]!r} is in it twice, or not in its list")
    return head


def _check_list(path: Path, head: Bundle, listed: Mapping[str, Part]) -> None:
    if len(listed) != len(head.parts):
        raise _refused(path, "a part is listed twice")
    if sum(part.bytes for part in head.parts) > path.stat().st_size:
        raise _refused(path, "its list names more bytes than it has: it was cut off, or made to fill a disk")
    for part in head.parts:
        place, _, name = part.path.rpartition("/")
        if place.endswith("blobs/sha256") and name != part.sha256:
            raise _refused(path, f"{part.path} is listed with another hash than its name")


def _write(path: Path, tar: tarfile.TarFile, member: tarfile.TarInfo, part: Part, folder: Path | None) -> None:
    _check_plain(path, member)
    file = tar.extractfile(member)
    if file is None or member.size != part.bytes:
        raise _refused(path, f"{part.path} has {member.size} bytes, and {part.bytes} are listed")
    place, found = folder / part.path if folder else Path(os.devnull), hashlib.sha256()
    place.parent.mkdir(parents=True, exist_ok=True)
    with file, place.open("xb" if folder else "wb") as into:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
            into.write(chunk)
    if found.hexdigest() != part.sha256:
        raise _refused(path, f"{part.path} is damaged: its bytes are not those that are listed")


def _check_plain(path: Path, member: tarfile.TarInfo) -> None:
    if member.type not in _PLAIN or member.issparse():
        raise _refused(path, f"{member.name[:100]!r} is no plain file")


def _head(path: Path, tar: tarfile.TarFile) -> Bundle:
    member = tar.next()
    if member is None or member.name != HEAD:
        raise _refused(path, f"it does not begin with {HEAD}")
    _check_plain(path, member)
    file = tar.extractfile(member) if member.size <= _HEAD_LIMIT else None
    if file is None:
        raise _refused(path, f"its {HEAD} has {member.size} bytes")
    with file:
        return decode(file.read(), Bundle)


@contextmanager
def _reading(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        if not path.is_file():  # a pipe would be waited for
            raise FileNotFoundError(2, "no such file")
        with tarfile.open(path, "r:") as tar:
            yield tar
    except msgspec.MsgspecError as error:
        raise _refused(path, f"{HEAD}: {error}") from error
    except (tarfile.TarError, EOFError, UnicodeDecodeError, OverflowError, ValueError) as error:
        raise _refused(path, f"it is no whole tar archive: {error}") from error
    except OSError as error:
        if error.filename and str(error.filename) != str(path):
            fix = "free space, or set TMPDIR to a folder on a larger disk"
            raise InputError("KGE-605", "A bundle cannot be unpacked.", cause=str(error), fix=fix) from error
        raise _refused(path, error.strerror or str(error)) from error


def _refused(path: Path, why: str) -> InputError:
    return InputError("KGE-221", f"{path} is no bundle that can be used.", cause=why, fix=_FIX)
