"""What a known message says of a run that failed: its cause on this host, from the rows of `images/errors/`."""

from collections.abc import Iterable
from typing import NamedTuple

from provision.catalogue.messages import KnownError
from provision.doctor.facts import Facts
from provision.doctor.messages import recognise
from provision.model import Vendor


class Reason(NamedTuple):
    """Why something is as it is."""

    text: str
    code: str = ""
    fix: str = ""
    seen: str = ""  # the line or detail it was recognised by
    speaker: str = ""  # whose words that line is: cuda, docker
    general: bool = False  # those words follow from other faults


def diagnose(text: str, vendor: Vendor, patterns: Iterable[KnownError], known: Facts | None = None) -> Reason | None:
    """Return the cause that the known messages in `text` tell; None where there is none, or harmless ones alone.

    Args:
        text: all that was said.
        vendor: the environment; rows of another one are left out.
        patterns: rows of the catalogue.
        known: the host and where it ran, on which a message's cause may depend.
    """
    found = recognise(text, patterns, (known or Facts())._replace(vendor=vendor))
    first = next((one for one in found if not one.is_harmless), None)
    if first is None:
        return None
    return Reason(first.text, first.code, first.fix, first.line, first.row.speaker, first.row.general)
