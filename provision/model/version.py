"""Versions that PEP 440 does not cover, compared as numbers and never as strings."""

import re
from functools import lru_cache, total_ordering
from typing import Final

# Dotted numbers, and a release candidate or its like at their end; Python refuses to read numbers of thousands of
# digits, and no version has them.
VERSION: Final = r"[0-9]{1,18}(\.[0-9]{1,18})*((a|b|rc)[0-9]{1,9})?"
_BEFORE: Final = {"a": 1, "b": 2, "rc": 3}


def is_version(text: str) -> bool:
    """Tell whether `text` is a dotted version number, which `version_key` takes; "2.22.0rc0" is one too."""
    return re.fullmatch(VERSION, text) is not None


def is_before_release(text: str) -> bool:
    """Tell a release candidate, an alpha or a beta from a release: "2.22.0rc0" from "2.22.0"."""
    return any(word in text for word in _BEFORE)


@lru_cache(maxsize=4096)  # a resolution compares the same few hundred versions thousands of times
def version_key(text: str) -> tuple[int, ...]:
    """Return the numbers of a dotted version: ``"12.10"`` gives ``(12, 10)``.

    What comes before a release is older than it, and newer than any release before it: ``"2.22.0rc1"`` gives
    ``(2, 22, -1, 3, 1)``.

    Raises:
        ValueError: not a dotted number.
    """
    if not is_version(text):
        raise ValueError(f"{text[:100]!r} is not a dotted version number")
    if not is_before_release(text):
        return tuple(int(part) for part in text.split("."))
    numbers, kind, count = re.split(r"([a-z]+)", text)
    *first, last = map(int, numbers.split("."))
    return (*first, last - 1, _BEFORE[kind], int(count))


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
