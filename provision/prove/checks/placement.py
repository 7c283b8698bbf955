"""The witnesses of the training itself: where its weights, gradients and operations were, and whether it learned."""

import math
import re
from collections.abc import Iterator

from provision.model import RUNTIMES, Status, Vendor
from provision.prove.checks.case import Case, Outcome
from provision.prove.checks.container import wanted
from provision.prove.checks.host_ops import FIT, HOST_OPS
from provision.prove.checks.row import READ_LOG
from provision.prove.evidence import Evidence, Op, Place, TrainingRecord
from provision.prove.expectation import Expectation

# The workload explains why its data guarantee this: no model that ignores its input gets below ln(10).
# The judge holds its own copy, so that a changed workload cannot move the line; a test compares the two.
BOUND = math.log(10) / 10
WEIGHTS = 4  # two Dense layers, each with a kernel and a bias
PRODUCTS = 5  # of a step: one forward and one backward for each kernel, and one for the hidden layer
TENSORS = {"output", "loss"}
# A matrix product, as TensorFlow, JAX and torch call it.
HEAVY = {
    *("MatMul", "BatchMatMulV2", "_FusedMatMul", "_MklMatMul", "_MklFusedMatMul", "_MklNativeFusedMatMul"),
    *("dot_general", "aten.mm.default", "aten.addmm.default"),
}
# By these a user's environment sends models that name no device to the CPU, though a GPU is listed.
TO_CPU = ("KERAS_TORCH_DEVICE", "JAX_PLATFORMS", "JAX_DEFAULT_DEVICE")
# TensorFlow's names begin with a path, the others' are whole words; two names are no place.
PATH = re.compile(r"/?(?:job:\w+/)?(?:replica:\d+/)?(?:task:\d+/)?(?:(?:physical_)?device:)?(GPU|CPU):(\d+)")
# JAX writes cuda:0, rocm:0, gpu:0 and cpu:0 (older: TFRT_CPU_0), torch cuda:0 (for ROCm too) and cpu.
WORD = re.compile(rf"({'|'.join(RUNTIMES)}|gpu|cpu|TFRT_CPU)(?:[:_](\d+))?")


def target(text: str | None) -> str:
    """Return the short name of a device: "/job:localhost/.../device:GPU:0" gives "GPU:0"."""
    text = text or ""
    found = PATH.fullmatch(text) or WORD.fullmatch(text)
    if not found:
        return ""
    if "cpu" in found[1].lower():
        return f"CPU:{found[2] or 0}"
    return f"GPU:{found[2]}" if found[2] else ""


def places(expectation: Expectation, evidence: Evidence) -> tuple[str, ...]:
    """Return the short names of the devices that must have trained."""
    if expectation.vendor is Vendor.CPU:
        return ("CPU:0",)
    return tuple(f"GPU:{index}" for index in wanted(expectation, evidence))


def explicit_on(evidence: Evidence, place: str) -> TrainingRecord | None:
    """Return the explicit training on `place`, or None when there is not exactly one."""
    found = [item for item in evidence.trainings if item.kind == "explicit" and target(item.device) == place]
    return found[0] if len(found) == 1 else None


def reference_of(evidence: Evidence) -> TrainingRecord | None:
    """Return the same training on the CPU, or None when there is not exactly one."""
    found = [item for item in evidence.trainings if item.kind == "reference" and target(item.device) == "CPU:0"]
    return found[0] if len(found) == 1 else None


def implicit_of(evidence: Evidence) -> TrainingRecord | None:
    """Return the training that named no device, or None when there is not exactly one."""
    found = [item for item in evidence.trainings if item.kind == "implicit"]
    return found[0] if len(found) == 1 else None


def placement(case: Case) -> Outcome:
    """Was every weight, gradient, loss and operation of the step on the device asked for?"""
    asked = places(case.expectation, case.evidence)
    wrong = [fault for place in asked for fault in misplaced(explicit_on(case.evidence, place), place)]
    if wrong:
        return Status.FAIL, "; ".join(wrong[:4])
    return Status.PASS, f"every weight, gradient and operation of the step on {', '.join(asked)}"


def misplaced(record: TrainingRecord | None, place: str) -> Iterator[str]:
    """Yield what of a training was not on `place`, or is not known to have been."""
    if record is None:
        yield f"no training on {place} is recorded"
        return
    if record.error:
        yield f"the training on {place} failed: {record.error.type}: {record.error.text}"
        return
    if len(record.weights) != WEIGHTS or len(record.gradients) != WEIGHTS:
        yield f"{len(record.weights)} weights and {len(record.gradients)} gradients recorded, not {WEIGHTS} of each"
    if sorted(item.name for item in record.tensors) != sorted(TENSORS):
        yield "the places of output and loss are not recorded"
    for item in (*record.weights, *record.gradients, *record.tensors):
        if not _is_at(item, place):
            yield f"{item.name} is at {target(item.device) or 'an unknown place'}, not {place}"
    yield from _misplaced_ops(record, place)


def _is_at(item: Place, place: str) -> bool:
    return target(item.device) == place and (item.memory is None or target(item.memory) == place)


def _misplaced_ops(record: TrainingRecord, place: str) -> Iterator[str]:
    if not record.ops:
        yield f"the operations of the step on {place} could not be traced"
        return
    products = sum(op.count for op in record.ops if op.op in HEAVY and target(op.device) == place)
    if products < PRODUCTS:
        yield f"{products or 'no'} matrix products of the step ran on {place}, not {PRODUCTS}"
    for op in record.ops:
        if op.floating and op.op not in HOST_OPS and target(op.device) != place:
            yield f"{op.op} ran on {target(op.device) or 'an unknown place'}, not {place}"


def implicit(case: Case) -> Outcome:
    """Does a model that names no device, as users write it, train on the GPU too?"""
    expectation, evidence = case.expectation, case.evidence
    record = implicit_of(evidence)
    if record is None:
        return Status.FAIL, "no training without a device is recorded"
    if record.error:
        return Status.FAIL, f"compile and fit failed: {record.error.type}: {record.error.text}"
    asked = places(expectation, evidence)
    at = [item for item in (*record.weights, *record.tensors) if not any(_is_at(item, place) for place in asked)]
    # With XLA the products are inside one compiled operation, so their absence says nothing; what was placed elsewhere
    # does, unless it belongs there.
    # An operation without any device has not been placed: its graph was not run by itself.
    placed = [op for op in record.ops or () if op.device]
    others = [op for op in placed if target(op.device) not in asked and not FIT.fullmatch(op.op)]
    if len(record.weights) != WEIGHTS or not record.tensors or at or others:
        where: tuple[Place | Op, ...] = (*at, *others)
        seen = sorted({_elsewhere(item, asked) for item in where})
        detail = (
            f"fit without a device used {', '.join(seen)}, not {' or '.join(asked)}"
            if seen
            else "its weights are not recorded"
        )
        return Status.FAIL, "; ".join([detail, *_to_cpu(evidence)])
    return Status.PASS, f"compile and fit without a device used {target(record.weights[0].device)}"


def _elsewhere(item: Place | Op, asked: tuple[str, ...]) -> str:
    """Return where something was that is not where it should be: its memory, where that alone is elsewhere."""
    held = item.memory if isinstance(item, Place) and target(item.device) in asked else item.device
    return target(held) or "an unknown place"


def _to_cpu(evidence: Evidence) -> Iterator[str]:
    for name in TO_CPU:
        value = evidence.environment.variables.get(name, "")
        if value.lower().startswith("cpu"):
            yield f"{name}={value} is set"


def implicit_fix(case: Case) -> str:
    """Return what brings models that name no device to the GPU."""
    record = implicit_of(case.evidence)
    if record is not None and record.error:
        return READ_LOG
    return "Unset the variable or setting by which models that name no device go to the CPU."


def training(case: Case) -> Outcome:
    """Did every training learn what its data can teach?"""
    expectation, evidence = case.expectation, case.evidence
    records = [explicit_on(evidence, place) for place in places(expectation, evidence)]
    faults = [fault for record in (*records, implicit_of(evidence)) for fault in _unlearned(record)]
    if faults:
        return Status.FAIL, "; ".join(faults)
    lasts = ", ".join(f"{record.losses[-1]:.3f}" for record in records if record and record.losses)
    return Status.PASS, f"loss fell to {lasts}, below {BOUND:.3f}"


def _unlearned(record: TrainingRecord | None) -> Iterator[str]:
    if record is None or not record.losses:
        yield "a training is missing" if record is None else f"{name(record)} recorded no loss"
        return
    first, last = record.losses[0], record.losses[-1]
    if first is None or last is None or not finite(record):
        yield f"{name(record)} met a loss that is not a number"
    elif last >= BOUND or last >= first:
        yield f"{name(record)} went from {first:.3f} to {last:.3f}, not below {BOUND:.3f}"


def finite(record: TrainingRecord) -> bool:
    """Tell whether every loss is a finite, non-negative number, as a cross-entropy is."""
    return all(loss is not None and math.isfinite(loss) and loss >= 0 for loss in record.losses)


def name(record: TrainingRecord) -> str:
    """Return what a message calls a training."""
    return f"the training on {target(record.device)}" if record.kind == "explicit" else "fit without a device"


def learned_on_cpu(evidence: Evidence) -> bool:
    """Tell whether the training that named no device learned, but on the CPU."""
    record = implicit_of(evidence)
    if record is None or record.error or not record.weights or list(_unlearned(record)):
        return False
    return all(target(item.device).startswith("CPU") for item in record.weights)
