"""The witness of the numbers: GPU and CPU, in the same container and from the same start, must agree."""

from collections.abc import Iterator
from itertools import zip_longest

from provision.model import Status
from provision.prove.checks.case import Case, Outcome
from provision.prove.checks.placement import explicit_on, misplaced, places, reference_of, target
from provision.prove.evidence import Evidence, Product, TrainingRecord

# Both train in full float32 (TensorFloat-32 is off), from the same weights over the same batches: what is left is the
# order of additions. GPUs were seen 4e-8 per epoch from the CPU (docs/hardware). Computed with NumPy: products in
# bfloat16 shift the curve by 4e-4, all of it in bfloat16 by 0.015.
CURVES = 1e-3  # the most that the mean loss of an epoch may differ
# A product of 512 columns was seen 8e-7 from float64 in float32; in TensorFloat-32 it is 4e-4, in bfloat16 3e-3.
PRODUCT = 1e-4  # the most that a value may differ, relative to the largest


def numerics(case: Case) -> Outcome:
    """Do the devices compute what the CPU computes?"""
    evidence = case.evidence
    reference, base = reference_of(evidence), _product(evidence, "CPU:0")
    fault = next(_unusable(reference, base), "")
    if reference is None or base is None or fault:
        return Status.UNKNOWN, f"nothing to compare with: {fault}"
    asked = places(case.expectation, evidence)
    wrong = [fault for place in asked for fault in _disagreements(evidence, place, reference, base)]
    if wrong:
        return Status.FAIL, "; ".join(wrong)
    worst = max(_apart(record, reference) for place in asked if (record := explicit_on(evidence, place)))
    detail = f"loss curves of CPU and GPU within {worst:.1e} (allowed {CURVES:g}), a fixed product within {PRODUCT:g}"
    return Status.PASS, detail


def _unusable(reference: TrainingRecord | None, base: Product | None) -> Iterator[str]:
    """Yield why the CPU's results are no measure: a GPU that is compared with itself always agrees."""
    yield from misplaced(reference, "CPU:0")
    if base is None:
        yield "no product of CPU:0 is recorded"
    elif base.error:
        yield f"the product of CPU:0 failed: {base.error.type}: {base.error.text}"
    elif target(base.place) != "CPU:0":
        yield f"the product of CPU:0 was computed on {target(base.place) or 'an unknown place'}"


def _product(evidence: Evidence, place: str) -> Product | None:
    found = [item for item in evidence.products if target(item.device) == place]
    return found[0] if len(found) == 1 else None


def _apart(record: TrainingRecord, reference: TrainingRecord) -> float:
    """Return the largest difference of two curves; infinite when one of them has a gap."""
    pairs = zip_longest(record.losses, reference.losses)
    return max((abs(a - b) if a is not None and b is not None else float("inf") for a, b in pairs), default=0.0)


def _disagreements(evidence: Evidence, place: str, reference: TrainingRecord, base: Product) -> Iterator[str]:
    record, product = explicit_on(evidence, place), _product(evidence, place)
    if record is None or not record.losses:
        yield f"no losses of {place} to compare"
    elif (apart := _apart(record, reference)) > CURVES:
        yield f"the losses of {place} are up to {apart:.3g} from the CPU's, {CURVES:g} is allowed"
    if product is None or product.error:
        yield f"no product of {place}" + (f": {product.error.text}" if product and product.error else "")
        return
    if target(product.place) != place:
        yield f"the product for {place} was computed on {target(product.place) or 'an unknown place'}"
    for item in (product, base):
        if item.difference is None or item.difference > PRODUCT:
            yield f"the product of {item.device} is {_amount(item.difference)} from the right one"
    if not product.values or not all(_close(a, b) for a, b in zip_longest(product.values, base.values)):
        yield f"values of {place}'s product differ from the CPU's"


def _close(one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and abs(one - other) <= PRODUCT


def _amount(difference: float | None) -> str:
    return "not finite, and far" if difference is None else f"{difference:.3g}"
