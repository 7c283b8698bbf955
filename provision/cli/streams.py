"""stdin, stdout and stderr as they are found: closed, full, or with nobody who reads them."""

import contextlib
import errno
import io
import os
import signal
import sys
from typing import TextIO

GONE = 128 + signal.SIGPIPE  # the exit code of a program whose reader has gone


def open_streams() -> None:
    """Give each standard stream that is closed a place to go: who closes one does not want it.

    Otherwise the next file that is opened gets its number, and whatever is written there.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            place = os.open(os.devnull, os.O_RDWR)
            if place != number:
                os.dup2(place, number)
                os.close(place)
    sys.stdin = sys.stdin or _opened(0, "r")
    sys.stdout = sys.stdout or _opened(1, "w")
    sys.stderr = sys.stderr or _opened(2, "w")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # in a locale of ASCII alone


def drop(stream: TextIO) -> None:
    """Send the rest of a stream nowhere: what is buffered would fail again in Python's flush at its end."""
    with contextlib.suppress(OSError):
        place = os.open(os.devnull, os.O_WRONLY)
        os.dup2(place, stream.fileno())
        os.close(place)


def talk(text: str) -> None:
    """Write to stderr. Where it cannot be written, nobody hears it, and that changes nothing else."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        drop(sys.stderr)


def flushed() -> OSError | None:
    """Write out what is buffered for stdout; return why that failed."""
    try:
        sys.stdout.flush()
    except OSError as error:
        drop(sys.stdout)
        return error
    return None


def is_gone(error: OSError) -> bool:
    """Tell whether a write failed because whoever read has gone."""
    return error.errno == errno.EPIPE


def _opened(number: int, mode: str) -> TextIO:
    return open(number, mode, encoding="utf-8", closefd=False)  # type: ignore[return-value] # mode is a text's
