"""stdout is the answer, stderr is the talk."""

import os
import sys
import tempfile
from pathlib import Path

from provision.cli.documents import ErrorDocument
from provision.errors import InputError, KgpuError, NoStackError
from provision.model import encode


def answer(text: str) -> None:
    """Print the answer."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    sys.stdout.flush()


def answer_json(value: object) -> None:
    """Print the answer as one JSON document."""
    answer(encode(value))


def say(text: str) -> None:
    """Talk, on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def report(error: KgpuError, *, as_json: bool) -> None:
    """Print an error: for people on stderr, for scripts one JSON document on stdout as well."""
    if as_json:
        answer_json(
            ErrorDocument(
                code=error.code,
                exit_code=int(error.exit_code),
                what=error.what,
                why=error.why,
                fix=error.fix,
                log=error.log,
                rejected=error.rejected if isinstance(error, NoStackError) else (),
            )
        )
    for line in error.log:
        say(f"  | {line}")
    say(f"{error.code}: {error.what}")
    if error.why:
        say(f"  cause     {error.why}")
    if error.fix:
        say(f"  next      {error.fix}")


def write_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: beside its place first, then renamed.

    Raises:
        InputError: KGE-605, the file cannot be written; nothing is left behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(name).chmod(0o666 & ~_umask())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        fix = "name a file in a folder that you can write to"
        raise InputError("KGE-605", f"{path} cannot be written.", why=error.strerror or str(error), fix=fix) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
