"""The witness of the curve: this model on these data loses what it lost wherever it was recorded."""

from collections.abc import Iterator
from typing import Final

from provision.model import Status
from provision.prove.checks.case import Case, Outcome
from provision.prove.checks.placement import BOUND, explicit_on, finite, implicit_of, name, places, reference_of
from provision.prove.evidence import TrainingRecord
from provision.prove.expectation import Expectation

SEED: Final = 20  # of the recorded curves
# On a named device the first weights are drawn by the workload: five recordings on H100 and H200, on three frameworks,
# agree to 1e-7 (docs/hardware). Computed with NumPy, TensorFloat-32 moves it by 7e-5 of a loss, bfloat16 by 5e-4. With
# constant labels it begins at 0.31.
NAMED: Final = (2.0186176, 1.1266201, 0.3740808, 0.1426357, 0.0770171, 0.0503307)
# In fit the first weights are the framework's own: the mean of those recordings. Over 60 draws of Glorot's weights an
# epoch was seen at most 11 % from it, with a deviation of 4 %; over 30 draws of the data a named device's at most 17 %.
FIT: Final = (1.905, 0.943, 0.286, 0.0902, 0.0439, 0.0279)
NEAR, WIDE = 0.05, 0.25  # the most that a loss may differ, relative to the recorded one
RISE: Final = 0.05  # beyond the recorded epochs: how much a loss may rise over the lowest before it, relative to it


def curve(case: Case) -> Outcome:
    """Has every training the epochs asked for, and the losses that this model has on these data?"""
    expectation, evidence = case.expectation, case.evidence
    if abs(evidence.bound - BOUND) > 1e-9:  # noqa: PLR2004 - as JSON writes it
        return Status.FAIL, f"the workload held a loss below {evidence.bound} for learned, not {BOUND:.3f}"
    near = NEAR if expectation.seed == SEED else WIDE
    named = [explicit_on(evidence, place) for place in places(expectation, evidence)]
    if (reference := reference_of(evidence)) is not None:
        named.append(reference)
    faults = [fault for record in named for fault in _departs(expectation, record, NAMED, near)]
    faults += _departs(expectation, implicit_of(evidence), FIT, WIDE)
    if faults:
        return Status.FAIL, "; ".join(faults[:4])
    apart = max(_apart(loss, known) for record in named if record for loss, known in zip(record.losses, NAMED))  # noqa: B905 - as many as there are of both
    return Status.PASS, f"{expectation.epochs} epochs each, within {100 * apart:.2g} % of the recorded losses"


def _departs(
    expectation: Expectation, record: TrainingRecord | None, known: tuple[float, ...], near: float
) -> Iterator[str]:
    if record is None or not record.losses or not finite(record):
        yield "a training is missing" if record is None else f"{name(record)} has no curve"
        return
    if len(record.losses) != expectation.epochs:
        yield f"{name(record)} has {len(record.losses)} epochs, not {expectation.epochs}"
    losses = [loss for loss in record.losses if loss is not None]
    for number, (loss, own) in enumerate(zip(losses, known), 1):  # noqa: B905 - as many as there are of both
        if _apart(loss, own) > near:
            yield f"{name(record)} lost {loss:.3g} in epoch {number}, recorded were {own:.3g}"
    for at in range(len(known), len(losses)):
        if losses[at] > (1 + RISE) * min(losses[:at]):
            yield f"{name(record)} rose to {losses[at]:.3g} in epoch {at + 1}"


def _apart(loss: float | None, known: float) -> float:
    return abs((loss or 0.0) / known - 1)
