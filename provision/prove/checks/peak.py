"""The most that a GPU can compute in float32: the catalogue's lanes of its architecture times what its driver tells."""

from provision.model import Gpu, ProvedDevice
from provision.prove.checks.devices import capacity_of, devices, index_of
from provision.prove.checks.matching import same_device
from provision.prove.evidence import Evidence
from provision.prove.expectation import Expectation


def peak(expectation: Expectation, evidence: Evidence, place: str) -> float | None:
    """Return the peak of a device in floating-point operations per second, or None where its parts are not known.

    A multiply-add counts as two operations. NVIDIA's driver library tells multiprocessors and clock inside the
    container, also of a MIG slice; AMD's kernel driver tells compute units and clock on the host.

    Args:
        expectation: with the host's GPUs and the catalogue's lanes.
        evidence: with the driver's devices.
        place: "GPU:0".
    """
    number = int(place.rpartition(":")[2])
    own = next((device for device in devices(evidence) if index_of(device) == number), None)
    if own is None:
        return None
    return _of_cuda(expectation, capacity_of(evidence, own)) or _of_host(expectation, own)


def _of_cuda(expectation: Expectation, told: dict[str, int]) -> float | None:
    lanes = expectation.lanes.get(f"sm_{told.get('major', 0)}{told.get('minor', 0)}", 0)
    return 2.0 * lanes * told.get("multiprocessors", 0) * told.get("clock_khz", 0) * 1e3 or None


def _of_host(expectation: Expectation, own: ProvedDevice) -> float | None:
    gpus = [gpu for gpu in expectation.gpus if same_device(gpu, own) is not False]
    # Partitions share an address, and are alike.
    return _of_gpu(expectation, gpus[0]) if gpus else None


def _of_gpu(expectation: Expectation, gpu: Gpu) -> float | None:
    lanes = expectation.lanes.get(gpu.architecture or "", 0)
    return 2.0 * lanes * (gpu.compute_units or 0) * (gpu.clock_mhz or 0) * 1e6 or None
