"""MIG slices train one to a run; whatever one of them lacks, all lack."""

import msgspec
import pytest

from provision.engine.protocol import Ran
from provision.model import ExpectedDevice, Gpu, Host, Proof, Status, Vendor, Verdict
from provision.prove import Evidence, Expectation
from provision.prove.judge import judge
from provision.prove.mig_runs import batches, merged

WHOLE = Gpu(vendor="nvidia", uuid="GPU-0", pci="0000:17:00.0")
SLICES = tuple(Gpu(vendor="nvidia", uuid=f"MIG-{i}", pci="0000:65:00.0", partition="1g.10gb") for i in range(2))
CPX = tuple(Gpu(vendor="amd", pci="0000:17:00.0", partition="CPX") for _ in range(8))


def test_whole_gpus_train_in_one_run() -> None:
    host = Host(gpus=(WHOLE, msgspec.structs.replace(WHOLE, uuid="GPU-1")))
    assert batches(host, Vendor.CUDA, "all") == ("all",)
    assert batches(host, Vendor.CUDA, "0,1") == ("0,1",)
    assert batches(Host(), Vendor.CUDA, "all") == ("all",)
    assert batches(host, Vendor.CPU, "all") == ("all",)


def test_each_mig_slice_is_a_run() -> None:
    host = Host(gpus=(WHOLE, *SLICES))
    assert batches(host, Vendor.CUDA, "all") == ("GPU-0", "MIG-0", "MIG-1")
    assert batches(Host(gpus=SLICES), Vendor.CUDA, "all") == ("MIG-0", "MIG-1")
    assert batches(host, Vendor.CUDA, "MIG-1") == ("MIG-1",)
    nameless = Host(gpus=tuple(msgspec.structs.replace(one, uuid=None, memory_bytes=i) for i, one in enumerate(SLICES)))
    assert batches(nameless, Vendor.CUDA, "all") == ("0", "1")
    alike = Host(gpus=tuple(msgspec.structs.replace(SLICES[0], uuid=None) for _ in range(2)))
    assert batches(alike, Vendor.CUDA, "all") == ("0", "1")


def test_amd_s_partitions_are_seen_side_by_side() -> None:
    assert batches(Host(gpus=CPX), Vendor.ROCM, "all") == ("all",)


@pytest.fixture
def proof(cuda: Expectation, done: Ran, gpu_evidence: Evidence) -> Proof:
    return msgspec.structs.replace(judge(cuda, done, gpu_evidence), seconds=5.0)


def test_all_together(proof: Proof) -> None:
    found = merged([proof, proof])
    assert (found.verdict, found.seconds, len(found.devices)) == (Verdict.PROVED, 10.0, 2)
    assert [check.name for check in found.checks] == [check.name for check in proof.checks]
    assert len(found.libraries) == 2 * len(proof.libraries)
    assert merged([proof]) is proof


def test_the_first_that_failed_is_the_answer(proof: Proof) -> None:
    bad = msgspec.structs.replace(proof, verdict=Verdict.NOT_PROVED, code="KGE-507")
    found = merged([proof, bad, proof])
    assert (found.verdict, found.code, found.checks) == (Verdict.NOT_PROVED, "KGE-507", bad.checks)


def of_slice(proof: Proof, number: int, *, seen: bool) -> Proof:
    """The proof of a run that asked for one MIG slice."""
    gpu = SLICES[number]
    return msgspec.structs.replace(
        proof,
        requested=Expectation(vendor=Vendor.CUDA, indices=(0,), gpus=(gpu,)).requested,
        verdict=Verdict.PROVED if seen else Verdict.NOT_PROVED,
        reason="proved" if seen else "the engine did not start the container",
        expected=(ExpectedDevice(name="H100", uuid=gpu.uuid, partition=gpu.partition, seen=seen),),
    )


def test_every_slice_is_named_and_the_missing_one_counted(proof: Proof) -> None:
    both = merged([of_slice(proof, 0, seen=True), of_slice(proof, 1, seen=True)])
    assert both.requested == "cuda MIG-0 (1g.10gb), MIG-1 (1g.10gb)"
    found = merged([of_slice(proof, 0, seen=True), of_slice(proof, 1, seen=False)])
    assert (found.verdict, found.requested) == (Verdict.NOT_PROVED, both.requested)
    assert found.reason.startswith("expected 2, seen 1: missing MIG-1 (1g.10gb); the engine did not start")
    assert [device.seen for device in found.expected] == [True, False]


def test_the_gravest_status_counts(proof: Proof) -> None:
    name = proof.checks[8].name
    worse = msgspec.structs.replace(
        proof,
        checks=tuple(
            msgspec.structs.replace(one, status=Status.WARN, detail="odd") if one.name == name else one
            for one in proof.checks
        ),
    )
    found = next(check for check in merged([proof, worse]).checks if check.name == name)
    assert (found.status, found.detail.endswith(" | odd")) == (Status.WARN, True)
