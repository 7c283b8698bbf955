"""stdout is the answer, stderr is the talk."""

import errno
import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar, Final, Literal, TextIO, TypeAlias, get_args

from provision import writer
from provision.cli.colour import coloured
from provision.cli.documents import ErrorDocument
from provision.cli.sanitize import plain, plain_json
from provision.cli.streams import drop, talk
from provision.errors import InputError, KgpuError, NoStackError, UsageError
from provision.files import state_home
from provision.model import encode

Progress: TypeAlias = Literal["auto", "rich", "plain", "json", "quiet"]
PROGRESS: Final[tuple[Progress, ...]] = get_args(Progress)
_ONCE = re.compile(r"(?:[A-Z]\w* +)?(warning|note)[: ] *(.*)", re.DOTALL)  # behind "Verify" and its like, too
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_BELOW = " " * 10  # where the text begins behind "Verify" and its like


def print_result(text: str) -> None:
    """Print the answer.

    Raises:
        InputError: KGE-605, stdout cannot be written (a full disk).
        BrokenPipeError: whoever read it has gone.
    """
    _write(coloured(plain(text), sys.stdout))


def _write(text: str) -> None:
    try:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        drop(sys.stdout)
        raise unwritten(error) from error


def unwritten(error: OSError) -> InputError:
    """Return the error for an answer that stdout did not take (a full disk)."""
    return InputError("KGE-605", "The answer cannot be written to stdout.", cause=error.strerror or "")


def unforeseen(error: Exception) -> KgpuError:
    """Return the error for an exception that nobody turned into one: of a disk without room, or a fault of ours."""
    if isinstance(error, OSError) and (error.errno in _NO_ROOM or "No usable temporary directory" in str(error)):
        why = f"{error.strerror}: {error.filename}" if error.filename else error.strerror or str(error)
        fix = "free space, or name another folder: TMPDIR for temporary files, XDG_CACHE_HOME for what is kept"
        return InputError("KGE-605", "A file cannot be written.", cause=why, fix=fix)
    what = f"Unexpected error: {type(error).__name__}: {error}"
    return KgpuError("KGE-999", what, fix="run it again with kgpu-env --debug to see where, and report it")


def print_lines(lines: Iterable[str]) -> None:
    """Print an answer that is prose; at a terminal in lines that fit."""
    width = _width(sys.stdout)
    for line in lines:
        print_result(fitted(line, width))


def print_json(value: object) -> None:
    """Print the answer as one JSON document."""
    _write(plain_json(encode(value)))


class Talk:
    """How much is said on stderr; set once, before a command runs."""

    progress: Progress = "auto"
    verbose = False
    timings = False
    said: ClassVar[set[tuple[str, ...]]] = set()  # warnings and notes: each is said once


def settle_talk(options: Mapping[str, object], *, quiet: bool = False, verbose: bool = False) -> None:
    """Take what is asked about talking.

    Args:
        options: the command's, by their names; it has all of these or some.
        quiet: whether that was asked for before the command's name.
        verbose: the same.
    """
    quiet = quiet or bool(options.get("quiet"))
    Talk.progress = "quiet" if quiet else options.get("progress") or "auto"  # type: ignore[assignment] # the parser's
    Talk.verbose = verbose or bool(options.get("verbose"))
    Talk.timings = bool(options.get("timings"))
    Talk.said.clear()


def log(text: str) -> None:
    """Talk, unless quiet is wanted."""
    if Talk.progress != "quiet":
        warn(text)


def detail(text: str) -> None:
    """Talk about what needs no action: only with --verbose."""
    if Talk.verbose:
        log(text)


def warn(text: str) -> None:
    """Say what needs somebody's attention, a warning once; to programs as JSON, where they asked for that."""
    found = _ONCE.fullmatch(text)
    if found:
        if found.groups() in Talk.said:
            return
        Talk.said.add(found.groups())
    say(json.dumps({"message": plain(text)}) if Talk.progress == "json" else text)


def say(text: str) -> None:
    """Write on stderr; at a terminal in lines that fit."""
    width = _width(sys.stderr)
    lines = [fitted(line, width) for line in plain(text).split("\n")]
    talk(coloured("\n".join([*lines, ""]), sys.stderr))


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
        warn(f"  | {line}")
    warn(f"{error.code}: {error.text}")
    if error.cause:
        warn(f"  cause     {error.cause}")
    if error.fix:
        warn(f"  fix       {error.fix}")


def write_file(path: Path, content: bytes, *, force: bool = False) -> None:
    """Write one file, as `write_files`."""
    write_files({path: content}, force=force)


def write_files(files: Mapping[Path, bytes], *, force: bool = False) -> None:
    """Write files whole or not at all, all of them or none; what others wrote is kept unless `force` says otherwise.

    Raises:
        InputError: KGE-605, KGE-634, as of `provision.writer.write_files`.
    """
    writer.write_files(files, _memory(), force=force)


def check_writable(*paths: Path | None, force: bool = False) -> None:
    """Refuse before long work what `write_files` would refuse after it.

    Raises:
        UsageError: KGE-902, two outputs are to be the same file.
        InputError: KGE-605, KGE-634, as of `provision.writer.write_files`.
    """
    named = [path for path in paths if path]
    twice = next((path for place, path in enumerate(named) if path in named[:place]), None)
    if twice and not writer.is_stream(twice):
        raise UsageError("KGE-902", f"{twice} is named for two outputs.", fix="give each a file of its own")
    writer.check_writable(*named)
    if not force:
        writer.refuse_others(dict.fromkeys(named), _memory())


def is_others(path: Path) -> bool:
    """Tell whether a file is there that this program did not write as it is."""
    return writer.is_others(path, _memory())


def _memory() -> Path:
    return writer.memory_of(state_home(os.environ))


def is_folder(path: Path) -> bool:
    """Tell whether `path` is a folder; a name that no file can have is none."""
    try:
        return path.is_dir()
    except OSError:
        return False
