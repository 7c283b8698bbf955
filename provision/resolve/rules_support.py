"""The rules about support: processor, driver and GPUs against what a build and its runtime are published for."""

from typing import Final

from provision.catalogue import rows
from provision.model import TITLES, Backend, DriverVersion, Gpu, is_before_release, version_key
from provision.resolve.candidate import Candidate
from provision.resolve.forward_compat import compat_of, driver_cuda
from provision.resolve.nvidia import brands_of, capability_of, ptx_needed, runs_as_machine_code
from provision.resolve.rule_names import Broken, RuleName
from provision.resolve.vendors import KNOWLEDGE

_WHOLE: Final = {None, "SPX"}  # what a partition says of a GPU that is not split
_ACCEPTS: Final[dict[Backend, RuleName]] = {
    "tensorflow": RuleName.TENSORFLOW_ACCEPTS_GPU,
    "jax": RuleName.JAX_ACCEPTS_GPU,
    "torch": RuleName.TORCH_ACCEPTS_GPU,
}


def tegra(candidate: Candidate) -> Broken | None:
    """No wheel on PyPI is known to serve the GPU of a Jetson board, though some have code for it."""
    for gpu, row in zip(candidate.facts.gpus, candidate.facts.capabilities, strict=False):
        if (row and row.tegra) or "nvgpu" in (gpu.name or ""):
            has_code = capability_of(gpu) in candidate.build.sass
            why = (
                f"this wheel has code for it ({gpu.architecture}), but nobody was seen to run it there"
                if has_code
                else "PyPI's wheels do not serve it"
            )
            reason = f"{gpu.name or gpu.architecture} is a Jetson's own GPU, and {why}"
            return Broken(RuleName.TEGRA, reason, "NVIDIA/nvidia-container-toolkit, go-nvlib; PYPI")
    return None


def machine(candidate: Candidate) -> Broken | None:
    """The processors that a build is published for."""
    machine, machines = candidate.facts.machine, candidate.build.machines
    if not machines or machine in machines:
        return None
    reason, source = candidate.build.machines_told
    return Broken(RuleName.MACHINE, reason.format(machines=" and ".join(machines), machine=machine), source)


def wsl(candidate: Candidate) -> Broken | None:
    """A build that lists its GPUs runs below WSL2 where its maker names framework and GPU for that, too."""
    facts, build, series = candidate.facts, candidate.build, candidate.runtime.series
    if not facts.wsl or build.targets is None:
        return None
    row, title = build.wsl, TITLES[build.backend]
    if row is None or not row.targets:
        reason = row.note if row else f"the catalogue has no build of {title} for WSL2"
        return Broken(RuleName.WSL, reason, (row or build.row).source)
    if version_key(series) < version_key(row.since):
        runtime = f"{build.vendor.row.runtime_title} {series}"
        reason = f"{runtime} does not load {build.vendor.row.wsl_library}: it can be used from {row.since} on"
        return Broken(RuleName.WSL, reason, row.source)
    missing = next((one for one in facts.targets if one not in (*row.targets, *row.unlisted)), None)
    if missing is None:
        return None
    reason = f"{missing} is not among the GPUs that {build.vendor.maker} names for {title} on WSL2"
    return Broken(RuleName.WSL, reason, row.source)


def runtime_supports_gpu(candidate: Candidate) -> Broken | None:
    """The runtime itself lists the GPU, which is another list than the framework's."""
    runtime, vendor = candidate.runtime, candidate.build.vendor
    rule = KNOWLEDGE[vendor].supports
    if rule is None:
        return None
    title, listed = f"{vendor.row.runtime_title} {runtime.series}", runtime.supports
    if listed is None:
        return Broken(rule, f"the catalogue does not know the GPUs of {title}", candidate.build.row.source)
    for gpu in candidate.facts.gpus:
        if gpu.architecture not in (*listed.targets, *listed.unlisted):
            return Broken(rule, f"{gpu.architecture} is not among the GPUs of {title}", listed.source)
    return None


def build_accepts_gpu(candidate: Candidate) -> Broken | None:
    """A framework ignores a GPU that it was not built for, and trains on the CPU."""
    build = candidate.build
    for gpu in candidate.facts.gpus if build.targets is not None else ():
        if gpu.architecture not in (build.targets or ()):
            reason = f"{gpu.architecture} is not among the GPUs of its {TITLES[build.backend]} build"
            return Broken(_ACCEPTS[build.backend], reason, build.row.source)
    return None


def driver_minimum(candidate: Candidate) -> Broken | None:
    """Minor-version compatibility: one driver floor for a whole major version of the runtime."""
    facts, floor = candidate.facts, candidate.runtime.floor
    if floor is None or facts.version is None:
        return None
    if facts.wsl:
        return _windows_driver(candidate, floor, facts.version)
    if version_key(facts.version.text) >= version_key(floor.driver) or compat_of(facts, candidate.runtime.base):
        return None
    reason = (
        f"driver {facts.version} is too old for {candidate.build.title}, "
        f"which needs {floor.driver} or newer ({_series(candidate, floor)})"
    )
    return Broken(RuleName.DRIVER_MINIMUM, reason, floor.source)


def _windows_driver(candidate: Candidate, floor: rows.CudaFamily, have: DriverVersion) -> Broken | None:
    """Below WSL2 lies the Windows driver, with numbers of its own."""
    if floor.windows is None:
        reason = f"the Windows driver that {_series(candidate, floor)} needs below WSL2 is not in the catalogue"
        return Broken(RuleName.WSL_DRIVER, reason, floor.source)
    if have >= DriverVersion(floor.windows):
        return None
    reason = (
        f"Windows driver {have} is too old for {candidate.build.title} in WSL2, "
        f"which needs {floor.windows} or newer ({_series(candidate, floor)})"
    )
    return Broken(RuleName.WSL_DRIVER, reason, floor.windows_source)


def _series(candidate: Candidate, floor: rows.CudaFamily) -> str:
    return f"{candidate.build.vendor.row.runtime_title} {floor.major}.x"


def driver_window(candidate: Candidate) -> Broken | None:
    """A driver release runs the releases of a runtime in a window around its own."""
    driver, window, series = candidate.facts.driver, candidate.facts.window, candidate.runtime.series
    if not series or driver is None or candidate.facts.wsl or (window and series in window.series):
        return None
    if driver.flavour == "inbox":
        return None  # no table covers the kernel's own driver: the stack carries a warning instead
    vendor, name = candidate.build.vendor.row, KNOWLEDGE[candidate.build.vendor].driver_name(driver)
    if window is None:
        reason = f"the catalogue has no row for {name}, nor for an older driver"
        return Broken(RuleName.DRIVER_WINDOW, reason, f"kgpu-env catalogue, {vendor.maker}.yaml")
    runs = vendor.runtime_title + " " + " to ".join(dict.fromkeys((window.series[0], window.series[-1])))
    reason = f"no source says that driver {window.release} runs {vendor.runtime_title} {series}: it runs {runs}"
    return Broken(RuleName.DRIVER_WINDOW, reason, window.source)


def partitions(candidate: Candidate) -> Broken | None:
    """An older runtime does not see the partitions of a GPU."""
    runtime, since = candidate.runtime, candidate.runtime.partitions
    split = next((gpu.partition for gpu in candidate.facts.gpus if gpu.partition not in _WHOLE), None)
    if split is None or since is None or version_key(runtime.version) >= version_key(since[0]):
        return None
    title = candidate.build.vendor.row.runtime_title
    reason = f"the GPU is partitioned ({split}), which {title} sees from {since[0]} on"
    return Broken(RuleName.PARTITIONS, reason, since[1])


def driver_drives_gpu(candidate: Candidate) -> Broken | None:
    """A GPU needs a driver that is new enough for it, of its flavour, and not one that has left it behind."""
    if candidate.facts.undriven is None:
        return None
    gpu, why = candidate.facts.undriven
    return Broken(RuleName.DRIVER_DRIVES_GPU, f"the {gpu.name or 'GPU'} {why.reason}", why.source)


def gpu_code(candidate: Candidate) -> Broken | None:
    """The wheel has machine code for each GPU, or PTX that its driver can compile for it."""
    build = candidate.build
    for gpu in candidate.facts.gpus if build.sass or build.ptx else ():
        capability = capability_of(gpu)
        if runs_as_machine_code(capability, build.sass):
            continue
        broken = _ptx(candidate, gpu, capability)
        if broken:
            return broken
    return None


def _ptx(candidate: Candidate, gpu: Gpu, capability: str) -> Broken | None:
    build = candidate.build
    below = [ptx for ptx in build.ptx if version_key(ptx.capability) <= version_key(capability)]
    if not below:
        oldest = min(build.sass or [ptx.capability for ptx in build.ptx], key=version_key)
        reason = f"its wheel has no code for {gpu.architecture}; the oldest GPUs that it serves are {_sm(oldest)}"
        return Broken(RuleName.GPU_CODE, reason, build.row.source)
    usable = [ptx for ptx in below if not ptx.specific or ptx.capability == capability]
    if not usable:
        reason = (
            f"for {gpu.architecture} its wheel has only PTX for {_sm(below[0].capability)}a, "
            f"which loads on {_sm(below[0].capability)} alone"
        )
        return Broken(RuleName.PTX_SPECIFIC, reason, build.row.source)
    return _driver_reads(candidate, gpu, ptx_needed(capability, usable[0]))


def _driver_reads(candidate: Candidate, gpu: Gpu, version: str) -> Broken | None:
    facts, nvidia = candidate.facts, candidate.facts.catalogue.nvidia
    isa = next(row for row in nvidia.ptx if row.isa == version)
    if version_key(driver_cuda(facts, candidate.runtime.base)) >= version_key(isa.cuda):
        return None
    newest = [row for row in nvidia.ptx if version_key(row.cuda) <= version_key(facts.cuda)]
    reads = f"reads PTX up to {max((row.isa for row in newest), key=version_key)}" if newest else "reads older PTX only"
    branch = next((row.branch for row in nvidia.branches if row.cuda == isa.cuda), "?")
    reason = (
        f"its {gpu.architecture} kernels are PTX {version}, which needs driver {branch} or newer "
        f"(CUDA {isa.cuda}); {facts.version} {reads}"
    )
    return Broken(RuleName.PTX_DRIVER, reason, isa.source)


def _sm(capability: str) -> str:
    return f"sm_{capability.replace('.', '')}"


def runtime_from_base(candidate: Candidate) -> Broken | None:
    """A wheel that does not know NVIDIA's CUDA wheels needs a base image with CUDA."""
    if not candidate.build.needs_image or candidate.runtime.image:
        return None
    reason = (
        "its wheel does not know NVIDIA's CUDA wheels (the extra and-cuda begins with 2.14), and the base has no CUDA"
    )
    return Broken(RuleName.CUDA_FROM_BASE, reason, candidate.build.row.source)


def confirmed(candidate: Candidate) -> Broken | None:
    """A build that nobody was seen to use is taken only when it is asked for by name."""
    row, by_name = candidate.build.row, candidate.build.named_by
    doubtful, early = candidate.doubted, is_before_release(candidate.build.version)
    if not (row.confidence == "unconfirmed" or doubtful or early) or (
        by_name and candidate.facts.wishes.of(by_name[-1][0])
    ):
        return None
    options = " ".join(f"--{option} {value}" for option, value in by_name)
    hint = f"; ask for it with {options}" if options else ", and no option names it"
    if doubtful:
        told = f"that it serves {' and '.join(doubtful)} is unconfirmed"
        return Broken(RuleName.CONFIRMED, f"{told}{hint}", row.source)
    told = f"unconfirmed: {row.note}" if row.confidence == "unconfirmed" else "it is no release yet"
    return Broken(RuleName.CONFIRMED, f"{told}{hint}", row.source)


def toolkit_knows_gpu(candidate: Candidate) -> Broken | None:
    """CUDA's own libraries know each GPU: not too old for it, and not past its last CUDA."""
    cuda = candidate.runtime.version
    for gpu, row in zip(candidate.facts.gpus, candidate.facts.capabilities, strict=False):
        if row is None:
            continue
        if version_key(cuda) < version_key(row.toolkit):
            reason = f"CUDA {cuda} does not know {gpu.architecture}, which needs {row.toolkit} or newer"
            return Broken(RuleName.TOOLKIT_KNOWS_GPU, reason, row.source)
        if row.last_cuda and version_key(cuda)[0] > int(row.last_cuda):
            reason = f"CUDA {row.last_cuda}.x is the last for {gpu.architecture}"
            return Broken(RuleName.TOOLKIT_KNOWS_GPU, reason, row.source)
    return None


def cuda_fits(candidate: Candidate) -> Broken | None:
    """CUDA is of the major version that the framework was built with, and not older."""
    built = candidate.build.built_with
    if built is None or _replaces(candidate.runtime.version, built[0]):
        return None
    reason = f"it was built with CUDA {built[0]}, and {candidate.runtime.version} does not replace that"
    return Broken(RuleName.CUDA_VERSION, reason, candidate.build.row.source)


def cudnn_fits(candidate: Candidate) -> Broken | None:
    """The major version of cuDNN is the one that the framework was built with, and it is not older."""
    built = candidate.build.built_with
    if built is None or _replaces(candidate.runtime.cudnn, built[1]):
        return None
    reason = f"it was built with cuDNN {built[1]}, and {candidate.runtime.cudnn} does not replace that"
    return Broken(RuleName.CUDNN_VERSION, reason, candidate.build.row.source)


def _replaces(have: str, built: str) -> bool:
    one, two = version_key(have), version_key(built)
    return one[0] == two[0] and one[:2] >= two[:2]


def cudnn_code(candidate: Candidate) -> Broken | None:
    """Each GPU has code in cuDNN."""
    runtime, row = candidate.runtime, candidate.runtime.cudnn_row
    if not runtime.cudnn:
        return None
    if row is None:
        return Broken(RuleName.CUDNN_CODE, f"the catalogue does not know cuDNN {runtime.cudnn}", "kgpu-env catalogue")
    for gpu in candidate.facts.gpus:
        if capability_of(gpu) not in row.capabilities:
            reason = f"cuDNN {row.version} is not known to have code for {gpu.architecture}"
            return Broken(RuleName.CUDNN_CODE, reason, row.source)
    return None


def image_starts(candidate: Candidate) -> Broken | None:
    """The image's NVIDIA_REQUIRE_CUDA condition, which the classic runtime hook enforces."""
    facts, image, base = candidate.facts, candidate.runtime.image, candidate.runtime.base
    if image is None or base is None or facts.version is None:
        return None
    if version_key(facts.cuda) >= version_key(base.cuda)[:2]:
        return None
    row = image.requirement
    branches, brands = (row.branches, row.brands) if row else ((), ())
    others = [gpu for gpu in facts.gpus if not brands_of(gpu) & set(brands)]
    if facts.version.branch in branches and not others:
        return None
    older = f", or of branch {', '.join(branches)}" if branches else ""
    excluded = " (not on GeForce)" if branches and "geforce" not in brands else ""
    reason = (
        f"{image.image} starts only with a driver for CUDA {base.cuda}{older}{excluded}; "
        f"this host has {facts.version} (CUDA {facts.cuda})"
    )
    return Broken(RuleName.REQUIRE_CUDA, reason, (row or base).source)
