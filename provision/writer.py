"""The one writer of files that people name: whole or not at all, all of them or none, and nothing of theirs is lost.

A file that is there is replaced only where this program wrote it and nobody changed it since, where it has the same
content or none, or where its owner says so (--force). What was written is remembered by its digest, in one file of
the state folder: no mark is left in anybody's files, whatever their format.
"""

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from provision.errors import InputError
from provision.files import MIB, read_file
from provision.redaction import redacted

SHOWN: Final = 40  # lines of a difference
_WIDEST: Final = 200  # characters of such a line
_COMPARED: Final = MIB // 4  # bytes; a larger file is not compared line by line
_REMEMBERED: Final = MIB // 4  # bytes of digests, about 4000 files
_DIRECT: Final = ("/dev", "/proc")  # what is there is written to, never replaced


def memory_of(state: Path) -> Path:
    """Return the file of the state folder that remembers what was written."""
    return state / "written"


def write_files(files: Mapping[Path, bytes], memory: Path, *, force: bool = False) -> None:
    """Write all files, each beside its place first and then renamed; where one fails, none is changed.

    A link is followed. A device or a pipe (/dev/stdout, /dev/null) is written to, never replaced.

    Args:
        files: content by path.
        memory: the file that `memory_of` names.
        force: replace what others wrote.

    Raises:
        InputError: KGE-634, a file is there that this program did not write, or that was changed since;
            KGE-605, a file cannot be written.
    """
    if not force:
        refuse_others(files, memory)
    streams = {path: content for path, content in files.items() if is_stream(path)}
    with _staged({path: content for path, content in files.items() if path not in streams}) as staged:
        _swap(staged)
    _remember(memory, files.values())
    for path, content in streams.items():
        with _writing(path), path.open("ab") as file:
            file.write(content)


def refuse_others(files: Mapping[Path, bytes | None], memory: Path) -> None:
    """Raise InputError KGE-634 for a file that is not this program's to replace, with the difference.

    Args:
        files: the new content by path; None where it is not known yet, before long work.
        memory: as of `write_files`.
    """
    known: frozenset[str] | None = None
    for path, content in files.items():
        with _writing(path):
            if is_stream(path) or not path.exists() or path.is_dir():
                continue
        known = _known(memory) if known is None else known
        problem = _problem(path, content, known)
        if problem is not None:
            raise InputError(
                "KGE-634",
                f"{path} is kept: it is there, and not as kgpu-env wrote it.",
                cause="another program or a person wrote it, it was changed since, or it is from another machine",
                fix="name another place, move it away, or replace it with --force",
                log=problem,
            )


def is_others(path: Path, memory: Path) -> bool:
    """Tell whether a file is there that this program did not write as it is."""
    with suppress(OSError):
        return path.is_file() and _problem(path, None, _known(memory)) is not None
    return False


def check_writable(*paths: Path | None) -> None:
    """Raise InputError KGE-605 when a file could not be written later, after the long work that fills it."""
    for path in filter(None, paths):
        with _writing(path):
            place = _file_place(path)
            if not is_stream(path):
                place.parent.mkdir(parents=True, exist_ok=True)
                _temporary(place, b"").unlink()


def _problem(path: Path, content: bytes | None, known: frozenset[str]) -> tuple[str, ...] | None:
    """Return the difference where a file may not be replaced, else None."""
    try:
        old = read_file(path)
    except OSError as error:
        return (f"{path}: {error.strerror}",)
    if not old or old == content or _digest(old) in known:
        return None
    return () if content is None else difference(path, old, content)


def difference(path: Path, old: bytes, new: bytes) -> tuple[str, ...]:
    """Return a unified difference of at most `SHOWN` lines, without the passwords of addresses."""
    import difflib  # noqa: PLC0415 - 4 ms, only where a file is kept

    if b"\0" in old or max(len(old), len(new)) > _COMPARED:
        return (f"{path}: {len(old)} bytes are there, {len(new)} would be written",)
    before, after = (redacted(text.decode("utf-8", "replace")).splitlines() for text in (old, new))
    lines = [*difflib.unified_diff(before, after, f"{path} as it is", f"{path} as it would be", lineterm="", n=2)]
    if not lines:  # only line ends or what is hidden differs
        return (f"{path}: the difference is in line ends or passwords",)
    more = (f"... and {len(lines) - SHOWN} more lines",) if len(lines) > SHOWN else ()
    return (*(line[:_WIDEST] for line in lines[:SHOWN]), *more)


class _Staged(NamedTuple):
    path: Path  # as it was named
    place: Path  # where its links lead
    temporary: Path


@contextmanager
def _staged(files: Mapping[Path, bytes]) -> Iterator[list[_Staged]]:
    """Write every file beside its place; what is not renamed in the block is removed again, with its new folders."""
    found: list[_Staged] = []
    made: list[Path] = []
    try:
        for path, content in files.items():
            with _writing(path):
                place = _file_place(path)
                made += _make_folders(place.parent)
                found.append(_Staged(path, place, _temporary(place, content)))
        yield found
    except BaseException:
        for one in found:
            one.temporary.unlink(missing_ok=True)
        for folder in reversed(made):
            with suppress(OSError):  # not empty: another program was quick
                folder.rmdir()
        raise


def _swap(staged: list[_Staged]) -> None:
    """Rename all files to their places; where one cannot be, those before it get back what they had."""
    copies: list[tuple[Path, Path | None]] = []
    try:
        for one in staged:
            with _writing(one.path):
                copies.append((one.place, _copy(one.place) if len(staged) > 1 else None))
                one.temporary.replace(one.place)
    except BaseException:
        for place, copy in copies[:-1]:
            copy.replace(place) if copy else place.unlink(missing_ok=True)
        if copies and copies[-1][1]:
            copies[-1][1].unlink(missing_ok=True)
        raise
    for _, copy in copies:
        if copy:
            copy.unlink(missing_ok=True)


def _file_place(path: Path) -> Path:
    """Return where a file's links lead."""
    place = path.resolve()
    if place.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return place


def _copy(place: Path) -> Path | None:
    if not place.exists():
        return None
    import shutil  # noqa: PLC0415 - 2 ms

    copy = _temporary(place, b"")
    shutil.copy2(place, copy)
    return copy


def _make_folders(folder: Path) -> list[Path]:
    """Make a folder and return those that were not there, the outermost first."""
    missing = [one for one in (*reversed(folder.parents), folder) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def is_stream(path: Path) -> bool:
    """Tell whether something is there that no file may take the place of; stdout may have been sent to a file."""
    try:
        return path.exists() and (path.parent.as_posix().startswith(_DIRECT) or not (path.is_file() or path.is_dir()))
    except OSError:
        return False


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        fix = "name a file in a folder that you can write to"
        raise InputError(
            "KGE-605", f"{path} cannot be written.", cause=error.strerror or str(error), fix=fix
        ) from error


def _temporary(place: Path, content: bytes) -> Path:
    """Write `content` to a new file beside `place`."""
    import tempfile  # noqa: PLC0415 - 1 ms

    handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name[:100]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(0o600 if _is_secret(place, content) else 0o666 & ~_umask())
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def _is_secret(place: Path, content: bytes) -> bool:
    """Tell whether a file holds a password: the settings for the network in a build context may."""
    text = content.decode("latin-1")
    return place.name == "netrc" or redacted(text) != text


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _known(memory: Path) -> frozenset[str]:
    try:
        return frozenset(read_file(memory).decode("ascii", "replace").split())
    except OSError:
        return frozenset()


def _remember(memory: Path, contents: Iterable[bytes]) -> None:
    """Add digests to those that are known. Best effort: what is forgotten is treated as another's."""
    new = {_digest(content) for content in contents} - _known(memory)
    with suppress(OSError):
        memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with memory.open("a", encoding="ascii") as file:
            file.writelines(f"{one}\n" for one in sorted(new))
        if memory.stat().st_size > _REMEMBERED:
            kept = memory.read_bytes().splitlines(keepends=True)
            _temporary(memory, b"".join(kept[len(kept) // 2 :])).replace(memory)
