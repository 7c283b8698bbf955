"""The ladder from the bus to the framework: where each finding stands, and which general one it explains."""

import re
from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple, get_args

from provision.model.host import Finding, Severity

Rung = Literal["bus", "driver", "nodes", "toolkit", "engine", "framework"]
RUNGS: Final[tuple[Rung, ...]] = get_args(Rung)
_ADDRESS = re.compile(r"\b[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\b")
_SEVERITIES: Final = (Severity.ERROR, Severity.WARNING)


class Place(NamedTuple):
    """Where a finding stands: its rung, and the general findings of which it is the cause."""

    rung: Rung
    explains: tuple[str, ...] = ()


_NOT_DRIVEN: Final = ("KGE-102", "KGE-103")
# In the order of precedence within a rung: what comes first is the likelier cause of what follows.
LADDER: Final[Mapping[str, Place]] = {
    "KGE-119": Place("bus"),
    "KGE-118": Place("bus"),
    "KGE-133": Place("bus", (*_NOT_DRIVEN, "KGE-112", "KGE-135", "KGE-137", "KGE-138")),
    "KGE-117": Place("bus"),
    "KGE-124": Place("bus", _NOT_DRIVEN),
    "KGE-110": Place("driver"),
    "KGE-111": Place("driver", ("KGE-102", "KGE-135")),
    "KGE-121": Place("driver", _NOT_DRIVEN),
    "KGE-122": Place("driver", _NOT_DRIVEN),
    "KGE-123": Place("driver", _NOT_DRIVEN),
    "KGE-125": Place("driver", (*_NOT_DRIVEN, "KGE-107")),
    "KGE-126": Place("driver", _NOT_DRIVEN),
    "KGE-120": Place("driver", _NOT_DRIVEN),
    "KGE-136": Place("driver", (*_NOT_DRIVEN, "KGE-112", "KGE-135")),
    "KGE-135": Place("driver", (*_NOT_DRIVEN, "KGE-112")),
    "KGE-127": Place("driver", ("KGE-106",)),
    "KGE-106": Place("driver"),
    "KGE-154": Place("driver"),
    "KGE-157": Place("driver"),
    "KGE-158": Place("driver"),
    "KGE-134": Place("driver", ("KGE-137",)),
    "KGE-131": Place("driver"),
    "KGE-132": Place("driver"),
    "KGE-139": Place("driver"),
    "KGE-146": Place("driver"),
    "KGE-147": Place("driver", ("KGE-112",)),
    "KGE-102": Place("driver"),
    "KGE-103": Place("driver"),
    "KGE-116": Place("driver"),
    "KGE-112": Place("driver"),
    "KGE-108": Place("driver"),
    "KGE-137": Place("driver"),
    "KGE-155": Place("driver", ("KGE-149",)),
    "KGE-149": Place("driver"),
    "KGE-150": Place("driver"),
    "KGE-138": Place("bus"),
    "KGE-129": Place("nodes", ("KGE-113",)),
    "KGE-113": Place("nodes"),
    "KGE-142": Place("toolkit"),
    "KGE-140": Place("toolkit"),
    "KGE-159": Place("toolkit"),
    "KGE-156": Place("toolkit", ("KGE-115", "KGE-141")),
    "KGE-115": Place("toolkit"),
    "KGE-143": Place("engine"),
    "KGE-130": Place("engine"),
    "KGE-141": Place("engine"),
    "KGE-152": Place("engine"),
    "KGE-308": Place("engine"),
    "KGE-302": Place("engine"),
    "KGE-304": Place("engine"),
    "KGE-305": Place("engine"),
    "KGE-301": Place("engine"),
    "KGE-303": Place("engine"),
    "KGE-148": Place("framework"),
    "KGE-153": Place("framework"),
}
_ORDER: Final = {code: (RUNGS.index(place.rung), number) for number, (code, place) in enumerate(LADDER.items())}


def named_gpus(finding: Finding) -> frozenset[str]:
    """Return the PCI addresses of the GPUs that a finding speaks of; none: of the host as a whole."""
    return frozenset(_ADDRESS.findall(finding.text))


def without_explained(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return `findings` without the general ones of which a special one tells the cause.

    Special findings explain a general one when their codes say so and together they speak of all GPUs of the general
    one, by their PCI addresses; one that names no GPU speaks of all.
    """
    found = tuple(findings)
    return tuple(finding for finding in found if not _is_explained(finding, found))


def cause_of(code: str, pci: str, findings: Iterable[Finding]) -> Finding | None:
    """Return the finding that tells the cause of a general one about the GPU at a PCI address, or None."""
    named = Finding(code=code, severity=Severity.ERROR, text=pci)
    return next((finding for finding in findings if _explains(finding, named)), None)


def _is_explained(general: Finding, findings: Iterable[Finding]) -> bool:
    named = [named_gpus(special) for special in findings if _is_of_kind(special, general)]
    return bool(named) and (not all(named) or named_gpus(general) <= frozenset().union(*named))


def _explains(special: Finding, general: Finding) -> bool:
    return _is_of_kind(special, general) and _is_explained(general, (special,))


def _is_of_kind(special: Finding, general: Finding) -> bool:
    place = LADDER.get(special.code)
    return place is not None and general.code in place.explains


def primary(findings: Iterable[Finding]) -> Finding | None:
    """Return the one finding to fix first: an error before a warning, then the lowest rung; None on a healthy host.

    Findings without a place (a tool that failed, an unreadable file) are never taken.
    """
    placed = [finding for finding in without_explained(findings) if finding.code in LADDER]
    wrong = [finding for finding in placed if finding.severity in _SEVERITIES]
    return min(wrong, key=lambda finding: (_SEVERITIES.index(finding.severity), *_ORDER[finding.code]), default=None)
