"""Colour at a terminal. It repeats what the words say, and tells nothing of its own (https://no-color.org)."""

import os
import re
from typing import Final, TextIO

_GREEN, _RED, _YELLOW = 32, 31, 33
_BEGINNINGS: Final = (
    (r"PROVED\b", _GREEN),
    (r"NOT PROVED\b|KGE-[0-9]{3}:", _RED),
    (r"TRAINED ON CPU\b|warning(?=[ :])", _YELLOW),
)


def coloured(text: str, stream: TextIO) -> str:
    """Return a text whose lines begin in colour where they begin with a verdict, a warning or an error."""
    if not wanted(stream):
        return text
    return "\n".join(_line(line) for line in text.split("\n"))


def wanted(stream: TextIO) -> bool:
    """Tell whether `stream` gets colour: NO_COLOR forbids it, FORCE_COLOR asks for it, and a terminal can show it."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") != "0":
        return True
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _line(line: str) -> str:
    for pattern, colour in _BEGINNINGS:
        found = re.match(pattern, line)
        if found:
            return f"\x1b[{colour};1m{found[0]}\x1b[0m{line[found.end() :]}"
    return line
