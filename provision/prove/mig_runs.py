"""Several runs for one verification: CUDA shows a process one MIG slice at most, so each slice trains on its own."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from provision.model import Check, Gpu, Host, Proof, Status, Vendor, Verdict, selection
from provision.prove.reason import with_missing

# From the gravest: what one run lacks, all of them together lack.
_GRAVITY = (Status.FAIL, Status.UNKNOWN, Status.WARN, Status.PASS, Status.SKIP)


def batches(host: Host, vendor: Vendor, gpus: str) -> tuple[str, ...]:
    """Return the `--gpus` of each run that it takes to see all of `gpus`: one, but for MIG slices.

    Source: NVIDIA's MIG user guide, "CUDA device enumeration": one compute instance to a process, and no whole GPU
    beside it. AMD's partitions are seen side by side.
    """
    if vendor.gpu is None or not host.gpus_of(vendor.gpu):  # nothing is known of them
        return (gpus,)
    chosen = selection.select(host, vendor.gpu, gpus)
    sliced = [(index, gpu) for index, gpu in chosen if gpu.partition]
    if not sliced or len(chosen) == 1 or vendor.row.slices_together:
        return (gpus,)
    whole = ",".join(_name(index, gpu) for index, gpu in chosen if not gpu.partition)
    return (*((whole,) if whole else ()), *(_name(index, gpu) for index, gpu in sliced))


def _name(index: int, gpu: Gpu) -> str:
    """Return a word by which `selection.select` finds a GPU again: its UUID, or its place in the list."""
    return gpu.uuid or str(index)


def merged(proofs: Sequence[Proof]) -> Proof:
    """Return the proof of all runs: the first that did not prove, else all of them as one.

    Either way it names every device that was asked for, and counts those that were seen.

    Args:
        proofs: at least one, in the order of the runs.
    """
    if len(proofs) == 1:
        return proofs[0]
    whole = _whole(proofs)
    failed = next((proof for proof in proofs if proof.verdict is not Verdict.PROVED), None)
    if failed is not None:
        return msgspec.structs.replace(failed, **whole, reason=with_missing(failed.reason, whole["expected"]))
    return msgspec.structs.replace(
        proofs[0],
        **whole,
        reason=f"the model trained and learned on every one of {len(whole['devices'])} devices, in "
        f"{len(proofs)} runs: a process sees one MIG slice at most",
        checks=tuple(_together(checks) for checks in zip(*(proof.checks for proof in proofs), strict=True)),
        libraries=tuple(row for proof in proofs for row in proof.libraries),
        speeds=tuple(row for proof in proofs for row in proof.speeds),
    )


def _whole(proofs: Sequence[Proof]) -> dict[str, Any]:
    """Return the fields that are those of all runs, whatever the verdict."""
    vendor, *_ = proofs[0].requested.split(" ")
    return {
        "requested": f"{vendor} {', '.join(proof.requested.removeprefix(vendor).strip() for proof in proofs)}",
        "expected": tuple(device for proof in proofs for device in proof.expected),
        "devices": tuple(device for proof in proofs for device in proof.devices),
        "seconds": sum(proof.seconds or 0.0 for proof in proofs),
    }


def _together(checks: Iterable[Check]) -> Check:
    rows = tuple(checks)
    gravest = min(rows, key=lambda row: _GRAVITY.index(row.status))
    detail = " | ".join(dict.fromkeys(row.detail for row in rows))
    return Check(name=gravest.name, status=gravest.status, detail=detail)
