"""stdout is the answer, stderr is the talk."""

import errno
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from provision.cli.documents import ErrorDocument
from provision.errors import InputError, KgpuError, NoStackError
from provision.model import encode

# Text of hosts, registries and builds may hold what a terminal obeys: everything but tab and newline is shown.
_CONTROLS = {number: f"\\x{number:02x}" for number in (*range(0x20), *range(0x7F, 0xA0)) if number not in {9, 10}}

_BELOW = " " * 10  # where the text begins behind "Verify" and its like


def plain(text: str) -> str:
    """Return `text` without control characters and without what no encoding can write."""
    return text.translate(_CONTROLS).encode("utf-8", "backslashreplace").decode()


def print_result(text: str) -> None:
    """Print the answer.

    Raises:
        InputError: KGE-605, stdout cannot be written (a full disk).
        BrokenPipeError: whoever read it has gone.
    """
    words = plain(text)
    try:
        sys.stdout.write(words if words.endswith("\n") else f"{words}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        drop_stdout()
        raise InputError("KGE-605", "The answer cannot be written to stdout.", cause=error.strerror or "") from error


def print_lines(lines: Iterable[str]) -> None:
    """Print an answer that is prose; at a terminal in lines that fit."""
    width = _width(sys.stdout)
    for line in lines:
        print_result(fitted(line, width))


def print_json(value: object) -> None:
    """Print the answer as one JSON document."""
    print_result(encode(value))


def drop_stdout() -> None:
    """Send the rest of stdout nowhere: what is buffered would fail again in Python's flush at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def log(text: str) -> None:
    """Talk, on stderr; at a terminal in lines that fit."""
    width = _width(sys.stderr)
    lines = [fitted(line, width) for line in plain(text).split("\n")]
    sys.stderr.write("\n".join([*lines, ""]))
    sys.stderr.flush()


def _width(stream: TextIO) -> int:
    """Return the columns of a terminal; 0 where the stream is none."""
    return shutil.get_terminal_size().columns if stream.isatty() else 0


def fitted(line: str, width: int) -> str:
    """Return a line broken between words where it is longer than `width`, the rest below its text; 0: no limit."""
    if not width or len(line) <= width:
        return line
    found = textwrap.wrap(
        line, width, subsequent_indent=_BELOW, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )
    return "\n".join(found)


def print_error(error: KgpuError, *, as_json: bool) -> None:
    """Print an error: for people on stderr, for scripts one JSON document on stdout as well."""
    if as_json:
        print_json(
            ErrorDocument(
                code=error.code,
                exit_code=int(error.exit_code),
                text=plain(error.text),
                cause=plain(error.cause),
                fix=plain(error.fix),
                log=tuple(plain(line) for line in error.log),
                rejected=error.rejected if isinstance(error, NoStackError) else (),
                conflict=error.conflict if isinstance(error, NoStackError) else (),
                changes=error.changes if isinstance(error, NoStackError) else (),
            )
        )
    for line in error.log:
        log(f"  | {line}")
    log(f"{error.code}: {error.text}")
    if error.cause:
        log(f"  cause     {error.cause}")
    if error.fix:
        log(f"  next      {error.fix}")


def write_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: beside its place first, then renamed.

    A link is followed. A device or a pipe (/dev/stdout, /dev/null) is written to, never replaced.

    Raises:
        InputError: KGE-605, the file cannot be written; nothing is left behind.
    """
    with _writing(path):
        place = path.resolve()
        if place.exists() and not place.is_file():
            place.write_bytes(content)
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        name = _temporary(place, content)
        try:
            name.replace(place)
        except BaseException:
            name.unlink(missing_ok=True)
            raise


def is_folder(path: Path) -> bool:
    """Tell whether `path` is a folder; a name that no file can have is none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def check_writable(*paths: Path | None) -> None:
    """Raise InputError KGE-605 when a file could not be written later, after the long work that fills it."""
    for path in filter(None, paths):
        with _writing(path):
            place = path.resolve()
            if place.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if not place.exists() or place.is_file():
                place.parent.mkdir(parents=True, exist_ok=True)
                _temporary(place, b"").unlink()


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
        Path(name).chmod(0o666 & ~_umask())
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
