"""The table of GPU libraries: one row each, works, wrong, missing, slow or not asked."""

import re

from provision.model import GPU_VENDORS, Status, Vendor
from provision.model.proof import LibraryRow
from provision.prove.checks.case import Case, Outcome
from provision.prove.checks.placement import places, target
from provision.prove.evidence import Evidence, LibraryRecord

COLLECTIVE = "collective"  # one row for all devices together
ESSENTIAL = {"matmul", "conv2d", "conv2d network", "lstm"}  # without these no usual Keras model trains
# Relative to the largest value. Libraries choose their own algorithms (Winograd, fused cells, TensorFloat-32 in XLA):
# a percent is far above that, and far below what a wrong kernel does. Half precision has 11 bits.
TOLERANCE, HALF = 1e-2, 3e-2
SLOW_SECONDS = 1.0  # for a second call whose work takes milliseconds
LIBRARY = re.compile(r"(lib[A-Za-z_0-9-]+\.so(?:\.[0-9]+)*)")
# Log lines that tell that a library could not be loaded.
UNLOADABLE = re.compile(r"(?i)could not (?:load|open)|cannot open shared object|unable to load|dlopen|loader")


def rows(evidence: Evidence, log: str) -> tuple[LibraryRow, ...]:
    """Return the table. `log` is what the workload wrote to stderr: it names libraries that could not be loaded."""
    return tuple(_row(item, log) for item in evidence.libraries)


def _row(item: LibraryRecord, log: str) -> LibraryRow:
    state: str
    limit = HALF if item.name == "mixed precision" else TOLERANCE
    asked = [target(name) for name in item.device.split()]
    if item.not_asked:
        state, detail = "wrong" if item.name in ESSENTIAL else "not asked", item.not_asked
    elif item.error:
        state, detail = "missing", _missing(f"{item.error.type}: {item.error.text}", log)
    elif target(item.place) not in asked:
        state, detail = "wrong", f"computed on {target(item.place) or 'an unknown place'}, not {', '.join(asked)}"
    elif item.difference is None or item.difference > limit:
        apart = "not finite" if item.difference is None else f"{item.difference:.2g} from the CPU's"
        state, detail = "wrong", f"its result is {apart}, {limit:g} is allowed"
    elif item.seconds is not None and item.seconds > SLOW_SECONDS and item.name != "collective":
        state, detail = "slow", f"{item.seconds:.1f} s for a second call"
    else:
        state, detail = "works", f"within {item.difference:.1e} of the CPU's result"
    return LibraryRow(name=item.name, device=item.device, state=state, detail=detail, seconds=item.seconds)  # type: ignore[arg-type] # one of the five words above


def _missing(error: str, log: str) -> str:
    """Return the library that the error or the log names, and the error."""
    lines = [line for line in log.splitlines() if UNLOADABLE.search(line)]
    found = LIBRARY.search(error) or next((name for line in lines if (name := LIBRARY.search(line))), None)
    return f"{found[1]} cannot be loaded; {error}" if found else error


def libraries(case: Case) -> Outcome:
    """Does every library compute, and compute right?

    A wrong result fails, and so does a missing library that any usual model needs; others are a warning.
    """
    table = case.libraries
    if lost := _absent(case):
        return Status.FAIL, f"no row of {', '.join(lost)} is recorded"
    bad = [row for row in table if row.state == "wrong" or (row.state == "missing" and row.name in ESSENTIAL)]
    odd = [row for row in table if row.state not in {"works", "not asked"}]
    status = Status.FAIL if bad else Status.WARN if odd else Status.PASS
    detail = "; ".join(f"{_name(row, case.expectation.vendor)} {row.state}: {row.detail}" for row in bad or odd)
    return status, detail or f"all {sum(row.state == 'works' for row in table)} rows work"


def _absent(case: Case) -> list[str]:
    """Return the rows that the workload writes whatever happens, and that are not there."""
    expectation, asked = case.expectation, places(case.expectation, case.evidence)
    there = {(row.name, *sorted(map(target, row.device.split()))) for row in case.libraries}
    wanted = [(name, place) for place in asked for name in expectation.vendor.row.operations if name != COLLECTIVE]
    lost = [f"{name} on {place}" for name, place in wanted if (name, place) not in there]
    return lost + [COLLECTIVE for _ in range((COLLECTIVE, *sorted(asked)) not in there)]


def behind(row: LibraryRow, vendor: Vendor) -> str:
    """Return the maker's library that a row tries; empty when it is not known."""
    return vendor.row.operations.get(row.name, "") if vendor in GPU_VENDORS else ""


def _name(row: LibraryRow, vendor: Vendor) -> str:
    library = behind(row, vendor)
    return f"{row.name} ({library})" if library else row.name
