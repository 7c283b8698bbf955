"""Values for the judge's tests.

`recorded_cpu` is what the workload really printed, on a CPU with TensorFlow 2.21. There was no GPU to record from: all
GPU evidence here is SYNTHETIC, the CPU record with its devices rewritten and a GPU's listing put in, through the same
structs. The H100's addresses are made up.
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
NVIDIA = {
    "nodes": [{"path": "/dev/nvidia0", "error": None}, {"path": "/dev/nvidiactl", "error": None}],
    "libraries": [{"name": "libcuda.so.1", "error": None}],
}
H100 = {"clock_khz": 1_980_000, "multiprocessors": 132, "major": 9, "minor": 0}  # the SXM5 board's data sheet
AMD = {
    "nodes": [{"path": "/dev/dri/renderD128", "error": None}, {"path": "/dev/kfd", "error": None}],
    "libraries": [{"name": "libcuda.so.1", "error": "not found"}, {"name": "libamdhip64.so", "error": None}],
}


def moved(part: Any) -> Any:  # noqa: ANN401 - a tree of JSON values
    """Return a part of a record with the CPU's name replaced by the GPU's."""
    return json.loads(json.dumps(part).replace("CPU:0", "GPU:0"))


def on_gpu(record: dict[str, Any]) -> dict[str, Any]:
    """Return the CPU record as a GPU would have made it."""
    explicit, implicit = moved(record["trainings"])
    explicit["memory"] = {"current": 1 << 20, "peak": 3 << 20}
    pci = "pci bus id: 0000:17:00.0"
    cpu_speed = record["speeds"][0]
    return record | {
        "trainings": [explicit, record["trainings"][0] | {"kind": "reference"}, implicit],
        "products": [*moved(record["products"]), *record["products"]],
        "speeds": [cpu_speed | {"device": "/GPU:0", "flops": 50 * cpu_speed["flops"]}, cpu_speed],
        "libraries": moved(record["libraries"]),
        "planes": {**record["planes"], "/device:GPU:0": 4000},
        "build": {"is_cuda_build": "True", "is_rocm_build": "False", "cuda_version": "12.5.1"},
        "environment": record["environment"] | NVIDIA,
        "driver": [{"ordinal": 0, "pci": "0000:17:00.0", "uuid": "3f1c" * 8, "capacity": H100}],
        "listing": [
            *record["listing"],
            {"name": "/physical_device:GPU:0", "type": "GPU", "description": "H100", "compute_capability": "9.0"},
        ],
        "devices": [{"name": "/device:GPU:0", "type": "GPU", "text": f"device: 0, {pci}", "bytes": 80 << 30}],
    }


@pytest.fixture(scope="session")
def cpu_record() -> dict[str, Any]:
    record: dict[str, Any] = json.loads(RECORD.read_text())
    return record


@pytest.fixture(scope="session")
def gpu_record(cpu_record: dict[str, Any]) -> dict[str, Any]:
    return on_gpu(cpu_record)


@pytest.fixture(scope="session")
def amd_record(gpu_record: dict[str, Any]) -> dict[str, Any]:
    build = {"is_cuda_build": "False", "is_rocm_build": "True"}
    environment = gpu_record["environment"] | AMD
    driver = [{"ordinal": 0, "pci": "0000:17:00.0", "uuid": "3f1c3f1c3f1c3f1c"}]
    return gpu_record | {"build": build, "environment": environment, "driver": driver}


@pytest.fixture(scope="session")
def cpu_evidence(cpu_record: dict[str, Any]) -> Evidence:
    return msgspec.convert(cpu_record, Evidence)


@pytest.fixture(scope="session")
def gpu_evidence(gpu_record: dict[str, Any]) -> Evidence:
    return msgspec.convert(gpu_record, Evidence)


@pytest.fixture(scope="session")
def cuda() -> Expectation:
    gpu = Gpu(vendor="nvidia", uuid=f"GPU-{'3f1c' * 8}", pci="0000:17:00.0", architecture="sm_90")
    return Expectation(vendor=Vendor.CUDA, indices=(0,), gpus=(gpu,))


@pytest.fixture(scope="session")
def done() -> Ran:
    return Ran(exit_code=0, stdout="", stderr="", seconds=60.0)
