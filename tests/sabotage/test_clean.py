"""Clean runs are never failed: real ones on the CPU, what GPUs recorded, and what others may look like (synthetic)."""

import importlib
import json
import secrets
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from provision.model import Host, Vendor, Verdict
from provision.prove import Expectation, VerifyRequest
from provision.prove.control import with_control
from provision.prove.runner import verify_here

V = importlib.import_module("tests.sabotage.conftest")  # as pytest names it with import-mode importlib
CUDA, GPU_RECORD, put = V.CUDA, V.GPU_RECORD, V.put
HOST_CPU, GPU0 = "/job:localhost/replica:0/task:0/device:CPU:0", "/job:localhost/replica:0/task:0/device:GPU:0"


@pytest.mark.parametrize("seed", range(5))
def test_real_trainings_are_not_failed(seed: int) -> None:
    request = VerifyRequest(vendor=Vendor.CPU, level="quick", seed=seed, seconds=120)
    proof = verify_here(
        Path(sys.executable),
        request,
        Host(),
        V.load().errors,
        new_nonce=lambda: secrets.token_hex(16),
        clock=time.monotonic,
    )
    assert (proof.verdict, proof.code) == (Verdict.CPU, ""), proof.reason


def op(name: str, device: str, *, floating: bool = True) -> dict[str, Any]:
    return {"op": name, "device": device, "floating": floating, "count": 3}


def with_ops(training: int, *more: dict[str, Any]) -> dict[str, Any]:
    ops = GPU_RECORD["trainings"][training]["ops"]
    record: dict[str, Any] = put(GPU_RECORD, (("trainings", training, "ops"), [*ops, *more]))
    return record


PIPELINE = [op(name, HOST_CPU) for name in ("IteratorGetNext", "TensorSliceDataset", "Cast", "_Send", "_HostRecv")]
CLEAN: dict[str, dict[str, Any]] = {
    "as recorded": GPU_RECORD,
    "integers and shapes on the host": with_ops(
        0, op("Shape", HOST_CPU, floating=False), op("Prod", HOST_CPU, floating=False)
    ),
    "constants on the host": with_ops(0, op("_EagerConst", HOST_CPU), op("Const", HOST_CPU)),
    "fit's input pipeline on the host": with_ops(2, *PIPELINE),
    "fit as one XLA operation": put(GPU_RECORD, (("trainings", 2, "ops"), [op("_XlaRun", GPU0)])),
    "fit without operations": put(GPU_RECORD, (("trainings", 2, "ops"), None)),
    "fit with operations not placed": with_ops(2, op("MatMul", "")),
    "no profiler": put(GPU_RECORD, (("planes",), None)),
    "a profiler without rights": put(GPU_RECORD, (("planes",), {"/host:CPU": 3})),
    "streams as planes of their own": put(GPU_RECORD, (("planes",), {"/device:GPU:0": 9, "/device:CUSTOM:x": 4})),
    "memory not counted": put(GPU_RECORD, (("trainings", 0, "memory"), None)),
    "slow, as a slice or a small card is": put(GPU_RECORD, (("speeds", 0, "flops"), 1e8)),
    "no sparse library": put(GPU_RECORD, (("libraries", 6, "error"), {"type": "NotFoundError", "text": "no kernel"})),
    "TensorFloat-32 in a library": put(GPU_RECORD, (("libraries", 0, "difference"), 2e-3)),
    "curves of another order of additions": put(GPU_RECORD, (("trainings", 0, "losses", 0), 2.0190)),
    "the driver library tells nothing": put(GPU_RECORD, (("driver",), [])),
    "the framework describes nothing": put(GPU_RECORD, (("devices",), [])),
    "more device nodes": put(
        GPU_RECORD,
        (("environment", "nodes"), [{"path": f"/dev/nvidia{i}", "error": None} for i in (0, 1)]),
    ),
    "one node closed by its cgroup": put(
        GPU_RECORD,
        (
            ("environment", "nodes"),
            [{"path": "/dev/nvidia0", "error": None}, {"path": "/dev/nvidia1", "error": "Operation not permitted"}],
        ),
    ),
    "NVIDIA_VISIBLE_DEVICES=void, as CDI sets it": put(
        GPU_RECORD, (("environment", "variables"), {"NVIDIA_VISIBLE_DEVICES": "void"})
    ),
    "WSL2": put(GPU_RECORD, (("environment", "nodes"), [{"path": "/dev/dxg", "error": None}])),
}


def proved(expectation: Expectation, record: dict[str, Any]) -> None:
    """Judge a record, and the CPU's as its control."""
    control = V.judged(expectation, put(V.ON_CPU, (("versions",), {expectation.backend: "1.0"})))
    proof = with_control(V.judged(expectation, record), control, "the image")
    assert (proof.verdict, proof.code) == (Verdict.PROVED, ""), f"{proof.reason}: {proof.seen}"


@pytest.mark.parametrize("name", CLEAN)
def test_clean_evidence_is_proved(name: str) -> None:
    proved(CUDA, CLEAN[name])


@pytest.mark.parametrize("path", sorted(V.VALUES.HARDWARE.glob("*.evidence.json")), ids=lambda path: path.name)
def test_what_hardware_recorded_is_proved(path: Path) -> None:
    record = json.loads(path.read_text())
    backend = record["spec"]["backend"]
    proved(msgspec.structs.replace(CUDA, backend=backend, gpus=(V.VALUES.gpu_of(record),)), record)


def test_there_are_at_least_twenty() -> None:
    assert len(CLEAN) >= 20
