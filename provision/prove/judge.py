"""The judge: a pure function from what was expected, how it ran and what was recorded to a verdict.

`verdict_of` is the only place that decides. `proved` needs every check of `REQUIRED` to pass and no check at all to
fail; a check that is unknown, skipped or absent is not a pass.
"""

from collections.abc import Iterable

from provision.engine.protocol import Ran
from provision.model import Check, Proof, Status, Training, Vendor, Verdict
from provision.model.proof import LibraryRow
from provision.prove import checks, compute, devices, matrix, placement
from provision.prove.diagnose import Pattern
from provision.prove.evidence import Evidence, Problem, TrainingRecord
from provision.prove.expectation import Expectation
from provision.prove.numerics import numerics
from provision.prove.outside import Outside
from provision.prove.reason import reason_of, with_missing

REQUIRED = frozenset({"started", "reported", "visible", "placement", "implicit", "training", "numerics"})
REQUIRED_ON_CPU = REQUIRED - {"visible", "numerics"}
AFTER = (
    *("build", "visible", "identity", "placement", "implicit", "training"),
    *("numerics", "work", "outside", "speed", "libraries", "soak"),
)
LOG_LINES = 20


def verdict_of(vendor: Vendor, found: Iterable[Check]) -> Verdict:
    """Return the verdict that follows from the checks, and from nothing else."""
    found = tuple(found)
    passed = {item.name for item in found if item.status is Status.PASS}
    failed = {item.name for item in found if item.status is Status.FAIL}
    required, success = (REQUIRED_ON_CPU, Verdict.CPU) if vendor is Vendor.CPU else (REQUIRED, Verdict.PROVED)
    return success if required <= passed and not failed else Verdict.NOT_PROVED


def checks_of(
    expectation: Expectation,
    ran: Ran,
    evidence: Evidence | Problem,
    table: tuple[LibraryRow, ...] = (),
    outside: Outside | None = None,
) -> tuple[Check, ...]:
    """Return all checks by name, in the order in which one rests on the other."""
    first = (checks.started(ran), checks.reported(expectation, ran, evidence))
    if isinstance(evidence, Problem) or evidence.import_error:
        rest = {name: checks.check(name, Status.UNKNOWN, "nothing was recorded") for name in AFTER}
        if not isinstance(evidence, Problem):
            rest["visible"] = checks.unasked(expectation, evidence)
        return first + tuple(rest.values())
    return (
        *first,
        checks.build(expectation, evidence),
        checks.visible(expectation, evidence),
        devices.identity(expectation, evidence),
        placement.placement(expectation, evidence),
        placement.implicit(expectation, evidence),
        placement.training(expectation, evidence),
        numerics(expectation, evidence),
        compute.work(expectation, evidence),
        compute.outside(expectation, outside),
        compute.speed(expectation, evidence),
        matrix.libraries(expectation, table),
        compute.soak(expectation, evidence, outside),
    )


def judge(
    expectation: Expectation,
    ran: Ran,
    evidence: Evidence | Problem,
    patterns: Iterable[Pattern] = (),
    outside: Outside | None = None,
) -> Proof:
    """Return the proof: verdict, checks, and for anything but success the most basic true cause.

    Args:
        expectation: the device asked for and what the host says of it.
        ran: how the container ended.
        evidence: what the workload recorded, or why there is nothing.
        patterns: rows of the error catalogue, the special before the general.
        outside: what the host saw of the workload's process; None when nobody looked.
    """
    table = () if isinstance(evidence, Problem) else matrix.rows(evidence, ran.stderr)
    found = checks_of(expectation, ran, evidence, table, outside)
    verdict = verdict_of(expectation.vendor, found)
    reason = reason_of(expectation, ran, evidence, found=found, verdict=verdict, patterns=tuple(patterns))
    known = None if isinstance(evidence, Problem) else evidence
    expected = devices.expected(expectation, known)
    return Proof(
        verdict=verdict,
        reason=with_missing(reason.text, expected),
        code=reason.code,
        fix=reason.fix,
        seen=reason.seen,
        backend=expectation.backend,
        level=expectation.level,
        libraries=table,
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
