"""Values for the judge's tests.

`cpu_record` is what the workload printed on a CPU with TensorFlow 2.21, `gpu_record` what it printed on an H100
(docs/hardware). No AMD GPU was there to record from: `amd_record` is SYNTHETIC, the H100's with another maker's names.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from provision.engine.protocol import Ran
from provision.model import Gpu, Vendor
from provision.prove import Evidence, Expectation

RECORD = Path(__file__).parent / "data" / "cpu-tensorflow-2.21.json"
LOST = {"type": "InternalError", "text": "CUDA_ERROR_UNKNOWN: unknown error: Xid 79, GPU has fallen off the bus"}
HARDWARE = Path(__file__).parents[3] / "docs" / "hardware"
AMD = {
    "nodes": [{"path": "/dev/dri/renderD128", "error": None}, {"path": "/dev/kfd", "error": None}],
    "libraries": [{"name": "libcuda.so.1", "error": "not found"}, {"name": "libamdhip64.so", "error": None}],
}


def seen(backend: str) -> dict[str, Any]:
    """Return what the workload recorded on an H100 with a backend, the last time."""
    path = max(HARDWARE.glob(f"*-h100-*-{backend}-standard.evidence.json"))
    record: dict[str, Any] = json.loads(path.read_text())
    return record


def gpu_of(record: dict[str, Any]) -> Gpu:
    """Return the GPU of a record as its host knows it."""
    [device] = record["driver"]
    return Gpu(vendor="nvidia", uuid=f"GPU-{device['uuid']}", pci=device["pci"], architecture="sm_90")


@pytest.fixture(scope="session")
def cpu_record() -> dict[str, Any]:
    record: dict[str, Any] = json.loads(RECORD.read_text())
    return record


@pytest.fixture(scope="session")
def gpu_record() -> dict[str, Any]:
    return seen("tensorflow")


@pytest.fixture(scope="session")
def amd_record(gpu_record: dict[str, Any]) -> dict[str, Any]:
    build = {"is_cuda_build": "False", "is_rocm_build": "True"}
    environment = gpu_record["environment"] | AMD
    driver = [gpu_record["driver"][0] | {"uuid": "3f1c3f1c3f1c3f1c", "capacity": {}}]
    return gpu_record | {"build": build, "environment": environment, "driver": driver}


@pytest.fixture(scope="session")
def cpu_evidence(cpu_record: dict[str, Any]) -> Evidence:
    return msgspec.convert(cpu_record, Evidence)


@pytest.fixture(scope="session")
def gpu_evidence(gpu_record: dict[str, Any]) -> Evidence:
    return msgspec.convert(gpu_record, Evidence)


@pytest.fixture(scope="session")
def cuda(gpu_record: dict[str, Any]) -> Expectation:
    return Expectation(vendor=Vendor.CUDA, indices=(0,), gpus=(gpu_of(gpu_record),))


@pytest.fixture(scope="session")
def done() -> Ran:
    return Ran(exit_code=0, stdout="", stderr="", seconds=60.0)
