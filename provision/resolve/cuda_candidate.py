"""What the rules for NVIDIA GPUs look at: a framework's wheel with a CUDA and a cuDNN, on this host."""

from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from provision.catalogue import Catalogue, rows
from provision.model import DriverVersion, Gpu, Request, version_key

Build_co = TypeVar("Build_co", bound=rows.CudaBuild, covariant=True)


class Facts(NamedTuple):
    """What the rules look at beside the candidate."""

    catalogue: Catalogue
    request: Request
    driver: DriverVersion
    driver_cuda: str  # the newest CUDA that the driver reports
    gpus: tuple[Gpu, ...]  # all with a known architecture
    machine: str
    wsl: bool = False


@dataclass(frozen=True)
class Candidate(Generic[Build_co]):
    """One way to get a framework onto the host."""

    facts: Facts
    release: Build_co
    cuda: str  # the version of the CUDA libraries
    cudnn: str
    base: rows.CudaBase | None = None  # where CUDA comes from, if not from wheels

    @property
    def label(self) -> str:
        """The candidate as a person would name it."""
        return f"{self.release.title}, CUDA {self.cuda}"


AnyCandidate = Candidate[rows.CudaBuild]
TensorFlow = Candidate[rows.TensorFlowRelease]


def _short(architecture: str | None) -> str:
    return (architecture or "").removeprefix("sm_")


def capability_of(gpu: Gpu) -> str:
    """Return the compute capability: "9.0" for sm_90."""
    digits = _short(gpu.architecture).rstrip("af")
    return f"{digits[:-1]}.{digits[-1:]}"


def runs_as_machine_code(capability: str, sass: tuple[str, ...]) -> bool:
    """Tell whether code for one of `sass` runs on `capability`: the same major, and a minor not above it."""
    major, minor = version_key(capability)
    return any(have_major == major and have_minor <= minor for have_major, have_minor in map(version_key, sass))
