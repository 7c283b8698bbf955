"""The rules for NVIDIA GPUs: which TensorFlow wheel, CUDA and cuDNN run on this driver and these GPUs."""

from functools import partial
from typing import NamedTuple

from provision.catalogue import Catalogue, rows
from provision.model import DriverVersion, Gpu, Request, version_key
from provision.resolve.rules import Broken, Rule, first_broken, matches

REQUESTED = "what was asked for"


class Facts(NamedTuple):
    """What the rules look at beside the candidate."""

    catalogue: Catalogue
    request: Request
    driver: DriverVersion
    driver_cuda: str  # the newest CUDA that the driver reports
    gpus: tuple[Gpu, ...]  # all with a known architecture
    machine: str


class Candidate(NamedTuple):
    """One way to get TensorFlow onto the host."""

    facts: Facts
    release: rows.TensorFlowRelease
    cuda: str  # the version of the CUDA libraries
    cudnn: str
    base: rows.CudaBase | None = None  # where CUDA comes from, if not from wheels

    @property
    def label(self) -> str:
        """The candidate as a person would name it."""
        return f"TensorFlow {self.release.version}, CUDA {self.cuda}"


def _short(architecture: str | None) -> str:
    return (architecture or "").removeprefix("sm_")


def capability_of(gpu: Gpu) -> str:
    """Return the compute capability: "9.0" for sm_90."""
    digits = _short(gpu.architecture).rstrip("af")
    return f"{digits[:-1]}.{digits[-1:]}"


def requested_tensorflow(candidate: Candidate) -> Broken | None:
    """The version asked for."""
    asked = candidate.facts.request.tensorflow
    if matches(candidate.release.version, asked):
        return None
    return Broken("requested-tensorflow", f"TensorFlow {asked} was asked for", REQUESTED)


def machine(candidate: Candidate) -> Broken | None:
    """PyPI's wheels with CUDA code are for x86_64."""
    if candidate.facts.machine in {"x86_64", "amd64"}:
        return None
    return Broken(
        "machine",
        f"PyPI's wheels are known to have CUDA code for x86_64 only, and this is {candidate.facts.machine}",
        "PYPI: the aarch64 wheels have half the size",
    )


def driver_minimum(candidate: Candidate) -> Broken | None:
    """CUDA's minor-version compatibility: one driver floor for a whole major version."""
    major = candidate.cuda.split(".", maxsplit=1)[0]
    family = next(row for row in candidate.facts.catalogue.nvidia.families if row.major == major)
    if candidate.facts.driver >= DriverVersion(family.driver):
        return None
    reason = (
        f"driver {candidate.facts.driver} is too old for TensorFlow {candidate.release.version}, "
        f"which needs {family.driver} or newer (CUDA {major}.x)"
    )
    return Broken("driver-minimum", reason, family.source)


def driver_drives_gpu(candidate: Candidate) -> Broken | None:
    """A GPU needs a driver that is new enough for it, and not one that has left it behind."""
    facts = candidate.facts
    for gpu in facts.gpus:
        row = facts.catalogue.capability(gpu.architecture or "")
        if row is None:
            continue
        if row.driver and facts.driver < DriverVersion(row.driver):
            reason = f"{row.name} ({gpu.architecture}) needs driver {row.driver} or newer, not {facts.driver}"
            return Broken("driver-drives-gpu", reason, row.source)
        if row.last_branch and int(facts.driver.branch) > int(row.last_branch):
            reason = (
                f"R{row.last_branch} is the last driver branch for {row.name} GPUs ({gpu.architecture}), "
                f"and this host has {facts.driver}"
            )
            return Broken("driver-drives-gpu", reason, row.source)
    return None


def runs_as_machine_code(capability: str, sass: tuple[str, ...]) -> bool:
    """Tell whether code for one of `sass` runs on `capability`: the same major, and a minor not above it."""
    major, minor = version_key(capability)
    return any(have_major == major and have_minor <= minor for have_major, have_minor in map(version_key, sass))


def gpu_code(candidate: Candidate) -> Broken | None:
    """The wheel has machine code for each GPU, or PTX that its driver can compile for it."""
    for gpu in candidate.facts.gpus:
        capability = capability_of(gpu)
        if runs_as_machine_code(capability, candidate.release.sass):
            continue
        broken = _ptx(candidate, gpu, capability)
        if broken:
            return broken
    return None


def _ptx(candidate: Candidate, gpu: Gpu, capability: str) -> Broken | None:
    release = candidate.release
    below = [ptx for ptx in release.ptx if version_key(ptx.capability) <= version_key(capability)]
    if not below:
        oldest = min(release.sass, key=version_key)
        reason = f"its wheel has no code for {gpu.architecture}; the oldest GPUs that it serves are {_sm(oldest)}"
        return Broken("gpu-code", reason, release.source)
    usable = [ptx for ptx in below if not ptx.specific or ptx.capability == capability]
    if not usable:
        reason = (
            f"for {gpu.architecture} its wheel has only PTX for {_sm(below[0].capability)}a, "
            f"which loads on {_sm(below[0].capability)} alone"
        )
        return Broken("ptx-specific", reason, release.source)
    return _driver_reads(candidate, gpu, usable[0])


def _driver_reads(candidate: Candidate, gpu: Gpu, ptx: rows.Ptx) -> Broken | None:
    facts = candidate.facts
    isa = next(row for row in facts.catalogue.nvidia.ptx if row.isa == ptx.isa)
    if version_key(facts.driver_cuda) >= version_key(isa.cuda):
        return None
    newest = [row for row in facts.catalogue.nvidia.ptx if version_key(row.cuda) <= version_key(facts.driver_cuda)]
    reads = f"reads PTX up to {newest[-1].isa}" if newest else "reads older PTX only"
    branch = next((row.branch for row in facts.catalogue.nvidia.branches if row.cuda == isa.cuda), "?")
    reason = (
        f"its {gpu.architecture} kernels are PTX {ptx.isa}, which needs driver {branch} or newer "
        f"(CUDA {isa.cuda}); {facts.driver} {reads}"
    )
    return Broken("ptx-driver", reason, isa.source)


def _sm(capability: str) -> str:
    return f"sm_{capability.replace('.', '')}"


def toolkit_knows_gpu(candidate: Candidate) -> Broken | None:
    """CUDA's own libraries know each GPU: not too old for it, and not past its last CUDA."""
    for gpu in candidate.facts.gpus:
        row = candidate.facts.catalogue.capability(gpu.architecture or "")
        if row is None:
            continue
        if version_key(candidate.cuda) < version_key(row.toolkit):
            reason = f"CUDA {candidate.cuda} does not know {gpu.architecture}, which needs {row.toolkit} or newer"
            return Broken("toolkit-knows-gpu", reason, row.source)
        if row.last_cuda and version_key(candidate.cuda)[0] > int(row.last_cuda):
            reason = f"CUDA {row.last_cuda}.x is the last for {gpu.architecture}"
            return Broken("toolkit-knows-gpu", reason, row.source)
    return None


def cudnn_code(candidate: Candidate) -> Broken | None:
    """Each GPU has code in cuDNN."""
    row = next((row for row in candidate.facts.catalogue.nvidia.cudnn if row.version == candidate.cudnn), None)
    if row is None:
        return Broken("cudnn-code", f"the catalogue does not know cuDNN {candidate.cudnn}", "kgpu-env catalogue")
    for gpu in candidate.facts.gpus:
        if capability_of(gpu) not in row.capabilities:
            reason = f"cuDNN {row.version} is not known to have code for {gpu.architecture}"
            return Broken("cudnn-code", reason, row.source)
    return None


def cudnn_fits(candidate: Candidate) -> Broken | None:
    """The major version of cuDNN is the one TensorFlow was built with, and it is not older."""
    built, have = version_key(candidate.release.cudnn), version_key(candidate.cudnn)
    if have[0] == built[0] and have[:2] >= built[:2]:
        return None
    reason = f"it was built with cuDNN {candidate.release.cudnn}, and {candidate.cudnn} does not replace that"
    return Broken("cudnn-version", reason, candidate.release.source)


def cuda_fits(candidate: Candidate) -> Broken | None:
    """CUDA is of the major version that TensorFlow was built with, and not older."""
    built, have = version_key(candidate.release.cuda), version_key(candidate.cuda)
    if have[0] == built[0] and have[:2] >= built[:2]:
        return None
    reason = f"it was built with CUDA {candidate.release.cuda}, and {candidate.cuda} does not replace that"
    return Broken("cuda-version", reason, candidate.release.source)


def requested_cuda(candidate: Candidate) -> Broken | None:
    """The CUDA asked for."""
    asked = candidate.facts.request.cuda
    if matches(candidate.cuda, asked):
        return None
    return Broken("requested-cuda", f"CUDA {asked} was asked for, and this is CUDA {candidate.cuda}", REQUESTED)


def image_starts(candidate: Candidate) -> Broken | None:
    """The CUDA image's NVIDIA_REQUIRE_CUDA condition, which the classic runtime hook enforces."""
    base, facts = candidate.base, candidate.facts
    if base is None or version_key(facts.driver_cuda) >= version_key(base.cuda)[:2]:
        return None
    geforce = any(word in (gpu.name or "") for gpu in facts.gpus for word in ("GeForce", "TITAN"))
    if facts.driver.branch in base.require_branches and (base.geforce or not geforce):
        return None
    condition = f"a driver for CUDA {base.cuda}, or of branch {', '.join(base.require_branches)}"
    reason = (
        f"{base.image} starts only with {condition}{'' if base.geforce else ' (not on GeForce)'}; "
        f"this host has {facts.driver} (CUDA {facts.driver_cuda})"
    )
    return Broken("require-cuda", reason, base.source)


# What decides about a release, whichever CUDA it is given.
RELEASE_RULES: tuple[Rule[Candidate], ...] = (
    requested_tensorflow,
    machine,
    driver_minimum,
    driver_drives_gpu,
    gpu_code,
)
# What decides about the CUDA and cuDNN that go with it.
RUNTIME_RULES: tuple[Rule[Candidate], ...] = (
    toolkit_knows_gpu,
    requested_cuda,
    cuda_fits,
    cudnn_fits,
    cudnn_code,
    image_starts,
)


def runtimes(facts: Facts, release: rows.TensorFlowRelease) -> list[Candidate]:
    """Return the candidates for a release: its own CUDA and cuDNN first, then the newer ones it accepts."""
    make = partial(Candidate, facts, release)
    wanted = facts.request.base
    image = next((row for row in facts.catalogue.images.cuda_bases if row.image == wanted), None)
    if image:
        return [make(image.cuda, image.cudnn, image)]
    return [
        make(cuda, cudnn)
        for cuda in (release.cuda, *release.newer_cuda)
        for cudnn in (release.cudnn, *release.newer_cudnn)
    ]


def choose(facts: Facts, release: rows.TensorFlowRelease) -> Candidate | tuple[Candidate, Broken]:
    """Return the first candidate of a release that satisfies every rule, or one with the rule it breaks.

    When all runtimes fail, the one that comes furthest tells the reason.
    """
    candidates = runtimes(facts, release)
    broken = first_broken(RELEASE_RULES, candidates[0])
    if broken:
        return candidates[0], broken
    failures: list[tuple[Candidate, Broken]] = []
    for candidate in candidates:
        broken = first_broken(RUNTIME_RULES, candidate)
        if broken is None:
            return candidate
        failures.append((candidate, broken))
    order = {rule: place for place, rule in enumerate(_RUNTIME_ORDER)}
    return max(failures, key=lambda failure: order[failure[1].rule])


_RUNTIME_ORDER = (
    "toolkit-knows-gpu",
    "requested-cuda",
    "cuda-version",
    "cudnn-version",
    "cudnn-code",
    "require-cuda",
)


def packages(candidate: Candidate) -> tuple[str, ...]:
    """Return the exact requirements, TensorFlow first."""
    release = candidate.release
    wheels = next(row for row in candidate.facts.catalogue.nvidia.wheels if row.cuda == _wheel_set(candidate))
    framework = (f"tensorflow=={release.version}", *release.requires)
    if candidate.base:
        # The runtime images have no compiler: XLA takes ptxas and libdevice from this wheel.
        return (*framework, f"nvidia-cuda-nvcc-{wheels.suffix}=={wheels.packages['cuda-nvcc']}")
    cuda = tuple(f"nvidia-{name}-{wheels.suffix}=={version}" for name, version in wheels.packages.items())
    return (
        *framework,
        *cuda,
        f"nvidia-cudnn-{wheels.suffix}=={candidate.cudnn}",
        f"nvidia-nccl-{wheels.suffix}=={candidate.release.nccl}",
    )


def _wheel_set(candidate: Candidate) -> str:
    return candidate.release.cuda if candidate.base else candidate.cuda


def library_path(candidate: Candidate) -> str:
    """Return LD_LIBRARY_PATH for a wheel that does not find the CUDA wheels by itself, else nothing."""
    if candidate.base or not candidate.release.links_needed:
        return ""
    wheels = next(row for row in candidate.facts.catalogue.nvidia.wheels if row.cuda == candidate.cuda)
    folders = [name.replace("-", "_") for name in (*wheels.packages, "cudnn", "nccl")]
    return ":".join(f"{{site}}/nvidia/{folder}/lib" for folder in folders if folder != "cuda_nvcc")
