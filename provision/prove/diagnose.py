"""Known messages of engines, drivers and frameworks, mapped to cause and mend by the rows of images/errors.yaml."""

import re
from collections.abc import Iterable
from typing import Protocol

from provision.model import Value, Vendor

HARMLESS = "harmless"


class Pattern(Protocol):
    """What a row of the error catalogue must have; `provision.catalogue` loads and checks them."""

    @property
    def id(self) -> str:
        """KGE-510 and up."""

    @property
    def match(self) -> str:
        """A regular expression, searched in each line."""

    @property
    def cause(self) -> str:
        """Why the message appears."""

    @property
    def fix(self) -> str:
        """What mends it."""

    @property
    def vendor(self) -> str:
        """The environments in which it can appear: cuda, rocm or any."""

    @property
    def note(self) -> str:
        """HARMLESS for a message that stops nothing: explained to people, never taken for a cause."""


class Diagnosis(Value):
    """A message that was recognised."""

    pattern: Pattern
    line: str  # the line in which it was found


def diagnose(text: str, vendor: Vendor, patterns: Iterable[Pattern]) -> Diagnosis | None:
    """Return the first of `patterns`, in their order, that a line of `text` matches.

    The order is the catalogue's: a special message comes before the general one that follows from it.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for pattern in patterns:
        if pattern.vendor not in {"any", vendor.value} or pattern.note == HARMLESS:
            continue
        expression = re.compile(pattern.match)
        for line in lines:
            if expression.search(line):
                return Diagnosis(pattern=pattern, line=line)
    return None
