"""The rules for NVIDIA GPUs: which framework's wheel, CUDA and cuDNN run on this driver and these GPUs."""

from provision.catalogue import rows
from provision.model import DriverVersion, Gpu, version_key
from provision.resolve.cuda_candidate import AnyCandidate, TensorFlow, capability_of, runs_as_machine_code
from provision.resolve.forward_compat import compat_of, driver_cuda
from provision.resolve.nvidia_require import brands_of
from provision.resolve.rule_names import RuleName
from provision.resolve.rules import REQUESTED, Broken, Rule, house, matches


def requested_tensorflow(candidate: TensorFlow) -> Broken | None:
    """The version asked for."""
    asked = candidate.facts.request.tensorflow
    if matches(candidate.release.version, asked):
        return None
    return Broken(RuleName.REQUESTED_TENSORFLOW, f"TensorFlow {asked} was asked for", REQUESTED)


def confirmed(candidate: TensorFlow) -> Broken | None:
    """A release that nobody measured is taken only when it is asked for by name."""
    release = candidate.release
    if release.confidence != "unconfirmed" or candidate.facts.request.tensorflow:
        return None
    version = ".".join(release.version.split(".")[:2])
    reason = f"unconfirmed: {release.note}; ask for it with --tensorflow {version}"
    return Broken(RuleName.CONFIRMED, reason, release.source)


def cuda_from_base(candidate: TensorFlow) -> Broken | None:
    """A wheel that does not know NVIDIA's CUDA wheels needs a base image with CUDA."""
    release = candidate.release
    if release.cuda_wheels or candidate.base:
        return None
    reason = (
        "its wheel does not know NVIDIA's CUDA wheels (the extra and-cuda begins with 2.14), and the base has no CUDA"
    )
    return Broken(RuleName.CUDA_FROM_BASE, reason, release.source)


def house_framework(candidate: AnyCandidate) -> Broken | None:
    """The newest version of the framework that the site allows."""
    return house(candidate.facts.catalogue, candidate.release.backend, candidate.release.version)


def house_cuda(candidate: AnyCandidate) -> Broken | None:
    """The newest CUDA that the site allows."""
    return house(candidate.facts.catalogue, "cuda", candidate.cuda)


def tegra(candidate: AnyCandidate) -> Broken | None:
    """No wheel on PyPI serves the GPU of a Jetson board."""
    facts = candidate.facts
    for gpu in facts.gpus:
        row = facts.catalogue.capability(gpu.architecture or "")
        if (row and row.tegra) or "nvgpu" in (gpu.name or ""):
            reason = f"{gpu.name or gpu.architecture} is a Jetson's own GPU, and PyPI's wheels do not serve it"
            return Broken(RuleName.TEGRA, reason, "NVIDIA/nvidia-container-toolkit, go-nvlib; PYPI")
    return None


def machine(candidate: AnyCandidate) -> Broken | None:
    """Not every wheel on PyPI has CUDA code for every processor."""
    machine, machines = candidate.facts.machine, candidate.release.machines
    if machine in machines:
        return None
    reason = f"its wheels are known to have CUDA code for {' and '.join(machines)} only, and this is {machine}"
    return Broken(RuleName.MACHINE, reason, "PYPI: the aarch64 wheels are much smaller")


def driver_minimum(candidate: AnyCandidate) -> Broken | None:
    """CUDA's minor-version compatibility: one driver floor for a whole major version."""
    major = candidate.cuda.split(".", maxsplit=1)[0]
    family = next(row for row in candidate.facts.catalogue.nvidia.families if row.major == major)
    if candidate.facts.wsl:
        return _windows_driver(candidate, family)
    if candidate.facts.driver >= DriverVersion(family.driver) or compat_of(candidate.facts, candidate.base):
        return None
    reason = (
        f"driver {candidate.facts.driver} is too old for {candidate.release.title}, "
        f"which needs {family.driver} or newer (CUDA {major}.x)"
    )
    return Broken(RuleName.DRIVER_MINIMUM, reason, family.source)


def _windows_driver(candidate: AnyCandidate, family: rows.CudaFamily) -> Broken | None:
    """Below WSL2 lies the Windows driver, with numbers of its own."""
    facts = candidate.facts
    if family.windows is None:
        reason = f"the Windows driver that CUDA {family.major}.x needs below WSL2 is not in the catalogue"
        return Broken(RuleName.WSL_DRIVER, reason, family.source)
    if facts.driver >= DriverVersion(family.windows):
        return None
    reason = (
        f"Windows driver {facts.driver} is too old for {candidate.release.title} in WSL2, "
        f"which needs {family.windows} or newer (CUDA {family.major}.x)"
    )
    return Broken(RuleName.WSL_DRIVER, reason, family.windows_source)


def driver_drives_gpu(candidate: AnyCandidate) -> Broken | None:
    """A GPU needs a driver that is new enough for it, and not one that has left it behind."""
    facts = candidate.facts
    for gpu in facts.gpus:
        row = facts.catalogue.capability(gpu.architecture or "")
        if row is None:
            continue
        if row.driver and facts.driver < DriverVersion(row.driver):
            reason = f"{row.name} ({gpu.architecture}) needs driver {row.driver} or newer, not {facts.driver}"
            return Broken(RuleName.DRIVER_DRIVES_GPU, reason, row.source)
        if row.last_branch and int(facts.driver.branch) > int(row.last_branch):
            reason = (
                f"R{row.last_branch} is the last driver branch for {row.name} GPUs ({gpu.architecture}), "
                f"and this host has {facts.driver}"
            )
            return Broken(RuleName.DRIVER_DRIVES_GPU, reason, row.source)
    return None


def gpu_code(candidate: AnyCandidate) -> Broken | None:
    """The wheel has machine code for each GPU, or PTX that its driver can compile for it."""
    for gpu in candidate.facts.gpus:
        capability = capability_of(gpu)
        if runs_as_machine_code(capability, candidate.release.sass):
            continue
        broken = _ptx(candidate, gpu, capability)
        if broken:
            return broken
    return None


def _ptx(candidate: AnyCandidate, gpu: Gpu, capability: str) -> Broken | None:
    release = candidate.release
    below = [ptx for ptx in release.ptx if version_key(ptx.capability) <= version_key(capability)]
    if not below:
        oldest = min(release.sass, key=version_key)
        reason = f"its wheel has no code for {gpu.architecture}; the oldest GPUs that it serves are {_sm(oldest)}"
        return Broken(RuleName.GPU_CODE, reason, release.source)
    usable = [ptx for ptx in below if not ptx.specific or ptx.capability == capability]
    if not usable:
        reason = (
            f"for {gpu.architecture} its wheel has only PTX for {_sm(below[0].capability)}a, "
            f"which loads on {_sm(below[0].capability)} alone"
        )
        return Broken(RuleName.PTX_SPECIFIC, reason, release.source)
    return _driver_reads(candidate, gpu, usable[0])


def _driver_reads(candidate: AnyCandidate, gpu: Gpu, ptx: rows.Ptx) -> Broken | None:
    facts = candidate.facts
    isa = next(row for row in facts.catalogue.nvidia.ptx if row.isa == ptx.isa)
    if version_key(driver_cuda(facts, candidate.base)) >= version_key(isa.cuda):
        return None
    newest = [row for row in facts.catalogue.nvidia.ptx if version_key(row.cuda) <= version_key(facts.driver_cuda)]
    reads = f"reads PTX up to {max((row.isa for row in newest), key=version_key)}" if newest else "reads older PTX only"
    branch = next((row.branch for row in facts.catalogue.nvidia.branches if row.cuda == isa.cuda), "?")
    reason = (
        f"its {gpu.architecture} kernels are PTX {ptx.isa}, which needs driver {branch} or newer "
        f"(CUDA {isa.cuda}); {facts.driver} {reads}"
    )
    return Broken(RuleName.PTX_DRIVER, reason, isa.source)


def _sm(capability: str) -> str:
    return f"sm_{capability.replace('.', '')}"


def toolkit_knows_gpu(candidate: AnyCandidate) -> Broken | None:
    """CUDA's own libraries know each GPU: not too old for it, and not past its last CUDA."""
    for gpu in candidate.facts.gpus:
        row = candidate.facts.catalogue.capability(gpu.architecture or "")
        if row is None:
            continue
        if version_key(candidate.cuda) < version_key(row.toolkit):
            reason = f"CUDA {candidate.cuda} does not know {gpu.architecture}, which needs {row.toolkit} or newer"
            return Broken(RuleName.TOOLKIT_KNOWS_GPU, reason, row.source)
        if row.last_cuda and version_key(candidate.cuda)[0] > int(row.last_cuda):
            reason = f"CUDA {row.last_cuda}.x is the last for {gpu.architecture}"
            return Broken(RuleName.TOOLKIT_KNOWS_GPU, reason, row.source)
    return None


def cudnn_code(candidate: AnyCandidate) -> Broken | None:
    """Each GPU has code in cuDNN."""
    row = next((row for row in candidate.facts.catalogue.nvidia.cudnn if row.version == candidate.cudnn), None)
    if row is None:
        return Broken(RuleName.CUDNN_CODE, f"the catalogue does not know cuDNN {candidate.cudnn}", "kgpu-env catalogue")
    for gpu in candidate.facts.gpus:
        if capability_of(gpu) not in row.capabilities:
            reason = f"cuDNN {row.version} is not known to have code for {gpu.architecture}"
            return Broken(RuleName.CUDNN_CODE, reason, row.source)
    return None


def cudnn_fits(candidate: AnyCandidate) -> Broken | None:
    """The major version of cuDNN is the one that the framework was built with, and it is not older."""
    built, have = version_key(candidate.release.cudnn), version_key(candidate.cudnn)
    if have[0] == built[0] and have[:2] >= built[:2]:
        return None
    reason = f"it was built with cuDNN {candidate.release.cudnn}, and {candidate.cudnn} does not replace that"
    return Broken(RuleName.CUDNN_VERSION, reason, candidate.release.source)


def cuda_fits(candidate: AnyCandidate) -> Broken | None:
    """CUDA is of the major version that the framework was built with, and not older."""
    built, have = version_key(candidate.release.cuda), version_key(candidate.cuda)
    if have[0] == built[0] and have[:2] >= built[:2]:
        return None
    reason = f"it was built with CUDA {candidate.release.cuda}, and {candidate.cuda} does not replace that"
    return Broken(RuleName.CUDA_VERSION, reason, candidate.release.source)


def requested_cuda(candidate: AnyCandidate) -> Broken | None:
    """The CUDA asked for."""
    asked = candidate.facts.request.cuda
    if matches(candidate.cuda, asked):
        return None
    return Broken(RuleName.REQUESTED_CUDA, f"CUDA {asked} was asked for, and this is CUDA {candidate.cuda}", REQUESTED)


def image_starts(candidate: AnyCandidate) -> Broken | None:
    """The CUDA image's NVIDIA_REQUIRE_CUDA condition, which the classic runtime hook enforces."""
    base, facts = candidate.base, candidate.facts
    if base is None or version_key(facts.driver_cuda) >= version_key(base.cuda)[:2]:
        return None
    row = next((one for one in facts.catalogue.images.requirements if one.image_cuda == base.cuda), None)
    branches, brands = (row.branches, row.brands) if row else ((), ())
    others = [gpu for gpu in facts.gpus if not brands_of(gpu) & set(brands)]
    if facts.driver.branch in branches and not others:
        return None
    older = f", or of branch {', '.join(branches)}" if branches else ""
    excluded = " (not on GeForce)" if branches and "geforce" not in brands else ""
    reason = (
        f"{base.image} starts only with a driver for CUDA {base.cuda}{older}{excluded}; "
        f"this host has {facts.driver} (CUDA {facts.driver_cuda})"
    )
    return Broken(RuleName.REQUIRE_CUDA, reason, (row or base).source)


# What decides about a release, whichever CUDA it is given.
RELEASE_RULES: tuple[Rule[TensorFlow], ...] = (
    requested_tensorflow,
    house_framework,
    tegra,
    machine,
    driver_minimum,
    driver_drives_gpu,
    gpu_code,
    cuda_from_base,
    confirmed,
)
# What decides about the CUDA and cuDNN that go with it.
RUNTIME_RULES: tuple[Rule[AnyCandidate], ...] = (
    toolkit_knows_gpu,
    requested_cuda,
    house_cuda,
    cuda_fits,
    cudnn_fits,
    cudnn_code,
    image_starts,
)
