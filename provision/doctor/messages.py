"""The known messages in a log: which lines are known, and which of them is the cause.

A log has harmless noise, the first fault and what follows from it, and often faults of an earlier attempt. The cause is
chosen so:

1. A line that matches a harmless row is noise, whatever else it matches. Of a line's other rows the first that is not
   general is taken, else the first general one.
2. The last attempt counts: lines before a sign of work that went on (an epoch, a loss), or more than `GAP` lines before
   the next known line, belong to an earlier one. An attempt with nothing but warnings or general rows is passed over
   where an earlier one has a fault.
3. Of one attempt's lines: errors before warnings, special rows before general ones, and what stands deeper (`DEPTH`:
   the kernel under the toolkit under the engine, libraries under frameworks) before what repeats it. Then the last one.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from provision.catalogue.messages import KnownError, When
from provision.doctor.conditions import chosen, findings_of, holds
from provision.doctor.facts import Facts
from provision.doctor.text import WRAPPED, english, lines_of
from provision.model import VENDORS, Host

GAP: Final = 100  # lines: a traceback is shorter
LINES: Final = 5000  # of a log's end are read
POSSIBLE: Final = 3  # causes that are told where none is known; the page of the code has all
LENGTH: Final = 4000  # characters of a line are read
JOINED: Final = 200  # lines of a log's end are also read as if a terminal had broken them
# Work went on after what was said before.
_PROGRESS: Final = re.compile(r"\bEpoch \d+/\d+|\bloss[:=] ?\d|\bstep[ =:]+\d+.*\bloss\b")
# What a program's own line begins with: a date, seconds since the start, a level.
_STAMPED: Final = re.compile(r"\d{4}-\d\d|\d\d:\d\d|\[ *\d+\.|[IWEF]\d{4}|[A-Z][a-z]{2} \d")
# By speaker, the deepest first; who is not named stands with the frameworks.
DEPTH: Final = (
    {"kernel", "nvrm", "amdgpu", "kfd", "dkms", "modprobe", "nvswitch", "fabricmanager", "gridd", "nvidia-build"},
    {"toolkit", "cdi", "nvml", "nvidia-smi", "rocm-smi"},
    {"docker", "containerd", "runc", "crun", "podman", "buildkit", "apptainer", "proxy"},
    {"cuda", "rocr", "hip", "rocm", "loader", "ldconfig"},
    {"cudnn", "cublas", "nccl", "rccl", "rocblas", "miopen", "xla"},
)


class Recognised(NamedTuple):
    """A line that a row knows, with the cause on this host."""

    row: KnownError
    line: str
    cause: str
    fix: str
    possible: tuple[str, ...] = ()  # causes that nobody could look for, where none is known to be the one
    findings: tuple[str, ...] = ()  # codes of the host's findings that are this cause

    @property
    def text(self) -> str:
        """The cause, and what it may be where that is not known."""
        return "; ".join([self.cause, *(f"perhaps {one}" for one in self.possible[:POSSIBLE])])

    @property
    def code(self) -> str:
        """The row's id."""
        return self.row.id

    @property
    def is_harmless(self) -> bool:
        """It stops nothing."""
        return self.row.severity == "harmless"


def recognise(text: str, rows: Iterable[KnownError], known: Facts = Facts()) -> tuple[Recognised, ...]:  # noqa: B008 - a frozen value
    """Return what is known of a log: the cause first, then the other faults as they stand, then harmless lines.

    Args:
        text: a log, of which the last `LINES` lines are read.
        rows: of the catalogue. Those of another vendor than `known.vendor` are left out.
        known: the host and where the framework ran; a row's cause and fix are those of its condition that holds.
    """
    found = _lines(text, _of_vendor(rows, known))
    first = _cause(found)
    faults = {hit.row.id: hit for hit in found if hit.row.severity != "harmless"}
    noise = {hit.row.id: hit for hit in found if hit.row.severity == "harmless"}
    head = [first] if first else []
    others = [hit for hit in faults.values() if not first or hit.row.id != first.row.id]
    return tuple(_told(hit, known) for hit in (*head, *others, *noise.values()))


def of_host(text: str, rows: Iterable[KnownError], host: Host) -> tuple[Recognised, ...]:
    """Return what is known of a log from this host; rows of another vendor only where none of its own is met."""
    every = tuple(rows)
    vendors = {VENDORS[gpu.vendor] for gpu in host.gpus}
    vendor = vendors.pop() if len(vendors) == 1 else None
    found = recognise(text, every, Facts(host, vendor))
    return found if found or vendor is None else recognise(text, every, Facts(host))


class _Hit(NamedTuple):
    number: int  # of the line
    attempt: int
    row: KnownError
    line: str


def _of_vendor(rows: Iterable[KnownError], known: Facts) -> list[KnownError]:
    return sorted((row for row in rows if known.vendor is None or row.vendor in {"any", known.vendor}), key=_rank)


def _rank(row: KnownError) -> int:
    """Return 0 for harmless rows, 1 for special ones, 2 for general ones."""
    return 0 if row.severity == "harmless" else 2 if row.general else 1


def _lines(text: str, rows: list[KnownError]) -> list[_Hit]:
    return list(_hits(list(lines_of(text))[-LINES:], rows))


def _hits(lines: list[str], rows: list[KnownError]) -> Iterator[_Hit]:
    attempt, last = 0, 0
    for number, whole in enumerate(lines):
        line = whole[:LENGTH]
        if _PROGRESS.search(line):
            attempt += 1
            continue
        row = _row_of(line, rows) or _row_of_wrapped(lines[number : number + 3], rows, len(lines) - number)
        if row is None:
            continue
        attempt += number - last > GAP
        if row.severity != "harmless":
            last = number
        yield _Hit(number, attempt, row, line)


def _row_of(line: str, rows: list[KnownError]) -> KnownError | None:
    words = english(line)
    return next((row for row in rows if words and _expression(row.match).search(words)), None)


def _row_of_wrapped(lines: list[str], rows: list[KnownError], left: int) -> KnownError | None:
    """Return the row of a line that a terminal broke: it matches across the break, and its rest by itself does not.

    Args:
        lines: the line and the two after it.
        rows: of the catalogue.
        left: lines to the end of the log.
    """
    first, *after = lines
    if left > JOINED or not after or not WRAPPED <= len(first) <= LENGTH // 10 or _STAMPED.match(after[0]):
        return None
    whole = english(" ".join(lines))
    rest = english(" ".join(after))
    for row in rows:
        found = _expression(row.match).search(whole)
        if found:
            return row if found.start() < len(first) and not _expression(row.match).search(rest) else None
    return None


@lru_cache(maxsize=1024)  # more than there are rows: Python's own cache of expressions is smaller
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _cause(found: list[_Hit]) -> _Hit | None:
    faults = [hit for hit in found if hit.row.severity != "harmless"]
    return max(faults, key=_weight, default=None)


def _weight(hit: _Hit) -> tuple[bool, bool, int, int, int]:
    return hit.row.severity == "error", not hit.row.general, hit.attempt, -_depth(hit.row), hit.number


def _depth(row: KnownError) -> int:
    return next((depth for depth, speakers in enumerate(DEPTH) if row.speaker in speakers), len(DEPTH))


def _told(hit: _Hit, known: Facts) -> Recognised:
    condition = chosen(hit.row, known)
    if condition:
        found = tuple(code for code in findings_of(condition.when) if any(known.texts(code)))
        return Recognised(hit.row, hit.line, condition.cause, condition.fix, (), found)
    open_ones = tuple(one.cause for one in hit.row.conditions if _is_possible(one.when, known))
    return Recognised(hit.row, hit.line, hit.row.cause, hit.row.fix, open_ones)


def _is_possible(when: When | None, known: Facts) -> bool:
    """Tell whether a person should look for it: nobody could, or nobody did."""
    if when is None:
        return True
    return holds(when, known) is None and not (when.finding and known.is_host_known)
