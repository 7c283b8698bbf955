"""The ways to get TensorFlow onto a host with NVIDIA GPUs, and what each installs."""

from collections.abc import Iterator
from functools import partial
from itertools import islice, product, starmap

from provision.catalogue import rows
from provision.resolve.cuda_candidate import (
    Candidate,
    Facts,
    TensorFlow,
    capability_of,
    runs_as_machine_code,
)

__all__ = [
    "Candidate",
    "Facts",
    "TensorFlow",
    "capability_of",
    "library_path",
    "packages",
    "runs_as_machine_code",
    "runtimes",
]


def runtimes(facts: Facts, release: rows.TensorFlowRelease) -> Iterator[TensorFlow]:
    """Yield the candidates for a release: its own CUDA and cuDNN first, then the newer ones it accepts."""
    make = partial(Candidate, facts, release)
    wanted = facts.request.base
    images = facts.catalogue.images.cuda_bases if wanted else ()
    image = next((row for row in images if row.image == wanted), None)
    if image:
        yield make(image.cuda, image.cudnn, image)
        return
    yield make(release.cuda, release.cudnn)
    if release.cuda_wheels:
        pairs = product((release.cuda, *release.newer_cuda), (release.cudnn, *release.newer_cudnn))
        yield from starmap(make, islice(pairs, 1, None))


def packages(candidate: TensorFlow) -> tuple[str, ...]:
    """Return the exact requirements, TensorFlow first."""
    release = candidate.release
    framework = (f"tensorflow=={release.version}", *release.requires)
    wheels = _wheels(candidate)
    if wheels is None:
        return framework
    if candidate.base:
        # The runtime images have no compiler: XLA takes ptxas and libdevice from this wheel.
        return (*framework, f"nvidia-cuda-nvcc-{wheels.suffix}=={wheels.packages['cuda-nvcc']}")
    cuda = tuple(f"nvidia-{name}-{wheels.suffix}=={version}" for name, version in wheels.packages.items())
    nccl = (f"nvidia-nccl-{wheels.suffix}=={release.nccl}",) if release.nccl else ()
    return (*framework, *cuda, f"nvidia-cudnn-{wheels.suffix}=={candidate.cudnn}", *nccl)


def _wheels(candidate: TensorFlow) -> rows.CudaWheels | None:
    """Return the wheels of the CUDA that TensorFlow was built with (on a CUDA image) or that was chosen."""
    if not candidate.release.cuda_wheels:
        return None
    cuda = candidate.release.cuda if candidate.base else candidate.cuda
    return next(row for row in candidate.facts.catalogue.nvidia.wheels if row.cuda == cuda)


def library_path(candidate: TensorFlow) -> str:
    """Return LD_LIBRARY_PATH for a wheel that does not find the CUDA wheels by itself, else nothing."""
    if candidate.base or not candidate.release.links_needed:
        return ""
    wheels = next(row for row in candidate.facts.catalogue.nvidia.wheels if row.cuda == candidate.cuda)
    folders = [name.replace("-", "_") for name in (*wheels.packages, "cudnn", "nccl")]
    return ":".join(f"{{site}}/nvidia/{folder}/lib" for folder in folders if folder != "cuda_nvcc")
