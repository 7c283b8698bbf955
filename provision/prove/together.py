"""Several runs for one verification: CUDA shows a process one MIG slice at most, so each slice trains on its own."""

from collections.abc import Iterable, Sequence

import msgspec

from provision.model import Check, Host, Proof, Status, Vendor, Verdict
from provision.prove.expectation import select

# From the gravest: what one run lacks, all of them together lack.
_GRAVITY = (Status.FAIL, Status.UNKNOWN, Status.WARN, Status.PASS, Status.SKIP)


def batches(host: Host, vendor: Vendor, gpus: str) -> tuple[str, ...]:
    """Return the `--gpus` of each run that it takes to see all of `gpus`: one, but for MIG slices.

    Source: NVIDIA's MIG user guide, "CUDA device enumeration": one compute instance to a process, and no whole GPU
    beside it. AMD's partitions are seen side by side.
    """
    _, chosen = select(host, vendor, gpus)
    sliced = [gpu for gpu in chosen if gpu.partition]
    if vendor is not Vendor.CUDA or not sliced or len(chosen) == 1:
        return (gpus,)
    known = host.gpus_of("nvidia")
    names = {gpu: gpu.uuid or str(known.index(gpu)) for gpu in chosen}
    whole = ",".join(names[gpu] for gpu in chosen if not gpu.partition)
    return (*((whole,) if whole else ()), *(names[gpu] for gpu in sliced))


def merged(proofs: Sequence[Proof]) -> Proof:
    """Return the proof of all runs: the first that did not prove, else all of them as one.

    Args:
        proofs: at least one, in the order of the runs.
    """
    failed = next((proof for proof in proofs if proof.verdict is not Verdict.PROVED), None)
    if failed is not None or len(proofs) == 1:
        return failed or proofs[0]
    return msgspec.structs.replace(
        proofs[0],
        reason=f"the model trained and learned on every one of {sum(len(one.devices) for one in proofs)} devices, in "
        f"{len(proofs)} runs: a process sees one MIG slice at most",
        requested=" + ".join(proof.requested for proof in proofs),
        devices=tuple(device for proof in proofs for device in proof.devices),
        checks=tuple(_together(checks) for checks in zip(*(proof.checks for proof in proofs), strict=True)),
        libraries=tuple(row for proof in proofs for row in proof.libraries),
        seconds=sum(proof.seconds or 0.0 for proof in proofs),
    )


def _together(checks: Iterable[Check]) -> Check:
    rows = tuple(checks)
    gravest = min(rows, key=lambda row: _GRAVITY.index(row.status))
    detail = " | ".join(dict.fromkeys(row.detail for row in rows))
    return Check(name=gravest.name, status=gravest.status, detail=detail)
