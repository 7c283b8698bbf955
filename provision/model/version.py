"""Versions that PEP 440 does not cover, compared as numbers and never as strings."""

import re
from functools import lru_cache, total_ordering
from typing import Final

# Dotted numbers; Python refuses to read numbers of thousands of digits, and no version has them.
VERSION: Final = r"[0-9]{1,18}(\.[0-9]{1,18})*"


def is_version(text: str) -> bool:
    """Tell whether `text` is a dotted version number, which `version_key` takes."""
    return re.fullmatch(VERSION, text) is not None


@lru_cache(maxsize=4096)  # a resolution compares the same few hundred versions thousands of times
def version_key(text: str) -> tuple[int, ...]:
    """Return the numbers of a dotted version: ``"12.10"`` gives ``(12, 10)``.

    Raises:
        ValueError: not a dotted number.
    """
    if not is_version(text):
        raise ValueError(f"{text[:100]!r} is not a dotted version number")
    return tuple(int(part) for part in text.split("."))


@total_ordering
class DriverVersion:
    """A kernel driver's version of two or three parts, such as 565.77 or 580.95.05.

    >>> DriverVersion("580.65.06") < DriverVersion("580.105")
    True
    >>> DriverVersion("550.54.15").branch
    '550'
    """

    __slots__ = ("_key", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._key = version_key(text)

    @property
    def branch(self) -> str:
        """The first part: NVIDIA's release branch, printed as R550."""
        return self.text.split(".", maxsplit=1)[0]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DriverVersion):
            return NotImplemented
        return self._key == other._key

    def __lt__(self, other: "DriverVersion") -> bool:
        return self._key < other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"DriverVersion({self.text!r})"
