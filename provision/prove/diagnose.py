"""Known messages of engines, drivers and frameworks, mapped to cause and fix by the rows of images/errors.yaml."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from provision.catalogue.rows import KnownError
from provision.model import Vendor

HARMLESS = "harmless"  # the note of a message that stops nothing: explained to people, never taken for a cause


class Reason(NamedTuple):
    """Why something is as it is."""

    text: str
    code: str = ""
    fix: str = ""
    seen: str = ""  # the line or detail it was recognised by


def diagnose(text: str, vendor: Vendor, patterns: Iterable[KnownError]) -> Reason | None:
    """Return what the first of `patterns` says, in their order, that a line of `text` matches.

    The order is the catalogue's: a special message comes before the general one that follows from it.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for pattern in patterns:
        if pattern.vendor not in {"any", vendor.value} or pattern.note == HARMLESS:
            continue
        expression = re.compile(pattern.match)
        for line in lines:
            if expression.search(line):
                return Reason(pattern.cause, pattern.id, pattern.fix, line)
    return None
