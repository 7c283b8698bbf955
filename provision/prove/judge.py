"""The judge: a pure function from what was expected, how it ran and what was recorded to a verdict.

`verdict_of` is the only place that decides. A verdict needs every check to pass that the table of checks says it rests
on, and no check at all to fail; a check that is unknown, skipped or absent is not a pass.
"""

from collections.abc import Iterable

from provision.catalogue.messages import KnownError
from provision.engine.protocol import Ran
from provision.model import Check, Proof, Status, Training, Vendor, Verdict
from provision.probe.monitor import HostView
from provision.prove.checks import devices, libraries, load, placement, table
from provision.prove.checks.case import Case
from provision.prove.checks.row import Row
from provision.prove.evidence import Evidence, Problem, TrainingRecord
from provision.prove.expectation import Expectation
from provision.prove.reason import reason_of, with_missing

LOG_LINES = 20


def verdict_of(vendor: Vendor, found: Iterable[Check]) -> Verdict:
    """Return the verdict that follows from the checks, and from nothing else."""
    found = tuple(found)
    passed = {item.name for item in found if item.status is Status.PASS}
    failed = {item.name for item in found if item.status is Status.FAIL}
    success = table.success_of(vendor)
    return success if table.required(success) <= passed and not failed else Verdict.NOT_PROVED


def checks_of(case: Case) -> tuple[Check, ...]:
    """Return every check of one run, in the order of the table."""
    return tuple(_check(row, case) for row in table.rows() if row.function)


def _check(row: Row, case: Case) -> Check:
    if not case.recorded:
        status, detail = row.without_record(case)
    elif row.function is None or not row.scope.includes(case.expectation):
        status, detail = Status.SKIP, row.scope.otherwise
    else:
        status, detail = row.function(case)
    return Check(name=row.name, status=status, detail=detail)


def judge(
    expectation: Expectation,
    ran: Ran,
    evidence: Evidence | Problem,
    patterns: Iterable[KnownError] = (),
    outside: HostView | None = None,
) -> Proof:
    """Return the proof: verdict, checks, and for anything but success the most basic true cause.

    Args:
        expectation: the device asked for and what the host says of it.
        ran: how the container ended.
        evidence: what the workload recorded, or why there is nothing.
        patterns: rows of the error catalogue, the special before the general.
        outside: what the host saw of the workload's process; None when nobody looked.
    """
    known = None if isinstance(evidence, Problem) else evidence
    rows = libraries.rows(known, ran.stderr) if known else ()
    case = Case(expectation=expectation, ran=ran, found=evidence, libraries=rows, outside=outside)
    found = checks_of(case)
    verdict = verdict_of(expectation.vendor, found)
    reason = reason_of(case, found, verdict, patterns)
    expected = devices.expected(expectation, known)
    return Proof(
        verdict=verdict,
        reason=with_missing(reason.text, expected),
        code=reason.code,
        fix=reason.fix,
        seen=reason.seen,
        backend=expectation.backend,
        level=expectation.level,
        libraries=rows,
        speeds=load.speeds(expectation, known) if known else (),
        reference=_reference(known),
        requested=expectation.requested,
        expected=expected,
        devices=devices.devices(known) if known else (),
        checks=found,
        training=_training(expectation, known),
        versions=known.versions if known else {},
        spent=_spent(known) if known else {},
        log=tuple(line for line in ran.stderr.splitlines() if line.strip())[-LOG_LINES:],
    )


def _training(expectation: Expectation, evidence: Evidence | None) -> Training:
    """Return the training on the first device asked for, or the implicit one where that recorded nothing."""
    if evidence is None:
        return Training()
    first = placement.explicit_on(evidence, placement.places(expectation, evidence)[0])
    return _curve(first if first and first.losses else placement.implicit_of(evidence))


def _spent(evidence: Evidence) -> dict[str, float]:
    """Return how long the workload took, and of that the framework's import and the trainings themselves."""
    trainings = sum(record.seconds or 0.0 for record in evidence.trainings)
    return {"workload": evidence.seconds, "import": evidence.import_seconds or 0.0, "trainings": trainings}


def _reference(evidence: Evidence | None) -> Training:
    return _curve(placement.reference_of(evidence)) if evidence else Training()


def _curve(record: TrainingRecord | None) -> Training:
    if record is None or not placement.finite(record):
        return Training()
    return Training(losses=tuple(loss for loss in record.losses if loss is not None), seconds=record.seconds)
