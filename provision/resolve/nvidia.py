"""What resolving knows of NVIDIA: its rows as builds, its drivers, its CUDA images, and what is installed."""

from collections.abc import Iterator
from itertools import product
from typing import Final

from msgspec.structs import replace

from provision.catalogue import Catalogue, rows
from provision.model import Backend, Driver, DriverVersion, Gpu, Host, Vendor, version_key
from provision.resolve.candidate import Build, Candidate, Facts, Image, Knowledge, Runtime
from provision.resolve.rule_names import REQUESTED_RUNTIME

_SUMMARY: Final = "{framework}, CUDA {runtime}, cuDNN {cudnn}, Python {python} on {base}"
# The words of a product's name and the brands that NVML may give it; a name alone does not tell which of a pair.
_BRANDS: Final = (
    ("geforce", ("geforce", "geforcertx")),
    ("titan", ("titan", "titanrtx")),
    ("quadro", ("quadro", "quadrortx")),
    ("tesla", ("tesla",)),
    ("grid", ("grid", "vapps", "vpc", "vcs", "vws", "cloudgaming")),
)
_MACHINES: Final = (
    "its wheels are known to have CUDA code for {machines} only, and this is {machine}",
    "PYPI: the aarch64 wheels are much smaller",
)


def brands_of(gpu: Gpu) -> frozenset[str]:
    """Return the brands that a GPU's name stands for; {"unknown"} without a name."""
    name = (gpu.name or "").lower()
    if not name:
        return frozenset({"unknown"})
    for word, brands in _BRANDS:
        if word in name:
            return frozenset(brands)
    # Workstation cards (RTX A6000, RTX PRO 6000) and data-centre cards (A100, L40S), which lost the name Tesla.
    return frozenset({"nvidiartx", "nvidia"} if "rtx" in name else {"nvidia", "tesla"})


def capability_of(gpu: Gpu) -> str:
    """Return the compute capability: "9.0" for sm_90."""
    digits = (gpu.architecture or "").removeprefix("sm_").rstrip("af")
    return f"{digits[:-1]}.{digits[-1:]}"


def runs_as_machine_code(capability: str, sass: tuple[str, ...]) -> bool:
    """Tell whether code for one of `sass` runs on `capability`: the same major, and a minor not above it."""
    major, minor = version_key(capability)
    return any(have_major == major and have_minor <= minor for have_major, have_minor in map(version_key, sass))


def ptx_needed(capability: str, ptx: rows.Ptx) -> str:
    """Return the newest PTX version that a driver has to read for a GPU: of kernels without machine code for it."""
    partly = (isa for have, isa in ptx.partly.items() if runs_as_machine_code(capability, (have,)))
    return next(partly, ptx.isa)


def _builds(catalogue: Catalogue, backend: Backend) -> tuple[Build, ...]:
    """Return the builds of a backend, newest first, then newest CUDA."""
    if backend == "tensorflow":
        return tuple(_tensorflow(catalogue, row) for row in catalogue.tensorflow)
    found = [row for row in catalogue.keras.keras_cuda if row.backend == backend]
    found.sort(key=lambda row: (version_key(row.version), version_key(row.cuda)), reverse=True)
    return tuple(_alternative(catalogue, row) for row in found)


def _tensorflow(catalogue: Catalogue, row: rows.TensorFlowRelease) -> Build:
    if row.cuda_wheels:
        pairs = product((row.cuda, *row.newer_cuda), (row.cudnn, *row.newer_cudnn))
        runtimes = [_runtime(catalogue, cuda, cudnn, _wheels(catalogue, cuda)) for cuda, cudnn in pairs]
    else:
        runtimes = [_runtime(catalogue, row.cuda, row.cudnn)]
    named_by = (("tensorflow", ".".join(row.version.split(".")[:2])),)
    build = _build(row, runtimes, named_by, (f"tensorflow=={row.version}", *row.requires))
    return replace(build, needs_image=not row.cuda_wheels, nccl=row.nccl, links_needed=row.links_needed)


def _alternative(catalogue: Catalogue, row: rows.KerasCuda) -> Build:
    named_by = (("backend", row.backend), ("cuda", row.cuda))
    return _build(row, [_runtime(catalogue, row.cuda, row.cudnn)], named_by, row.packages)


def _build(
    row: rows.CudaBuild, runtimes: list[Runtime], named_by: tuple[tuple[str, str], ...], packages: tuple[str, ...]
) -> Build:
    return Build(
        row=row,
        vendor=Vendor.CUDA,
        backend=row.backend,
        version=row.version,
        runtimes=tuple(runtimes),
        python=row.python,
        glibc=row.glibc,
        summary=_SUMMARY,
        named_by=named_by,
        machines=row.machines,
        machines_told=_MACHINES,
        sass=row.sass,
        ptx=row.ptx,
        built_with=(row.cuda, row.cudnn),
        packages=packages,
    )


def _on_base(catalogue: Catalogue, build: Build, base: str) -> Build:
    """Return a build as it is on a base that is asked for: an image with CUDA brings the runtime."""
    row = next((row for row in catalogue.images.cuda_bases if row.image == base), None)
    if row is None or build.backend != "tensorflow":
        return build
    requirement = next((one for one in catalogue.images.requirements if one.image_cuda == row.cuda), None)
    image = Image(row.image, row.python, row.source, row.glibc, row=row, requirement=requirement)
    # The runtime images have no compiler: XLA takes ptxas and libdevice from the wheel of the build's own CUDA.
    return replace(build, runtimes=(_runtime(catalogue, row.cuda, row.cudnn, build.runtimes[0].wheels, image),))


def _runtime(
    catalogue: Catalogue, cuda: str, cudnn: str, wheels: rows.CudaWheels | None = None, image: Image | None = None
) -> Runtime:
    nvidia, major = catalogue.nvidia, cuda.split(".", maxsplit=1)[0]
    return Runtime(
        version=cuda,
        floor=next(row for row in nvidia.families if row.major == major),
        cudnn=cudnn,
        cudnn_row=next((row for row in nvidia.cudnn if row.version == cudnn), None),
        wheels=wheels,
        image=image,
        in_base=image is not None,
    )


def _wheels(catalogue: Catalogue, cuda: str) -> rows.CudaWheels:
    return next(row for row in catalogue.nvidia.wheels if row.cuda == cuda)


def _complete(facts: Facts) -> Facts:
    """Return the facts with what the driver reports and what is known of each GPU."""
    version = DriverVersion(facts.driver.version) if facts.driver and facts.driver.version else None
    branch = facts.catalogue.branch_of(version) if version else None
    known = tuple(facts.catalogue.capability(gpu.architecture or "") for gpu in facts.gpus)
    return replace(facts, version=version, cuda=branch.cuda if branch else "0", capabilities=known)


def _packages(candidate: Candidate) -> tuple[str, ...]:
    """Return the exact requirements, the framework first, then the CUDA libraries."""
    build, wheels = candidate.build, candidate.runtime.wheels
    if wheels is None:
        return build.packages
    if candidate.runtime.image:
        return (*build.packages, f"nvidia-cuda-nvcc-{wheels.suffix}=={wheels.packages['cuda-nvcc']}")
    cuda = (f"nvidia-{name}-{wheels.suffix}=={version}" for name, version in wheels.packages.items())
    nccl = (f"nvidia-nccl-{wheels.suffix}=={build.nccl}",) if build.nccl else ()
    return (*build.packages, *cuda, f"nvidia-cudnn-{wheels.suffix}=={candidate.runtime.cudnn}", *nccl)


def _libraries(candidate: Candidate) -> tuple[str, ...]:
    """Return the folders of a wheel's CUDA libraries that it does not find by itself."""
    wheels = candidate.runtime.wheels
    if wheels is None or candidate.runtime.image or not candidate.build.links_needed:
        return ()
    names = (name for name in (*wheels.packages, "cudnn", "nccl") if name != "cuda-nvcc")
    return tuple(f"nvidia/{name.replace('-', '_')}/lib" for name in names)


def _newer_drivers(catalogue: Catalogue, host: Host, driver: Driver) -> list[Driver]:
    """Return the known drivers that are newer; below WSL2 lies a Windows driver."""
    if driver.version is None:
        return []
    nvidia, have = catalogue.nvidia, DriverVersion(driver.version)
    if host.wsl:
        known = {row.windows for row in nvidia.families if row.windows}
    else:
        known = {row.driver for row in nvidia.branches if row.driver} | {row.driver for row in nvidia.families}
    versions = sorted((one for one in known if DriverVersion(one) > have), key=version_key)
    return [Driver(vendor=driver.vendor, version=one) for one in versions]


def _older_drivers(catalogue: Catalogue, driver: Driver) -> list[Driver]:
    """Return a driver of each older branch: drivers leave old GPUs behind."""
    if driver.version is None:
        return []
    have = int(DriverVersion(driver.version).branch)
    branches = sorted(catalogue.nvidia.branches, key=lambda row: int(row.branch), reverse=True)
    return [
        Driver(vendor=driver.vendor, version=row.driver or f"{row.branch}.0")
        for row in branches
        if int(row.branch) < have
    ]


def _branch_of(catalogue: Catalogue, driver: Driver) -> rows.DriverBranch | None:
    """Return the row of a driver's own branch, which tells when its support ends."""
    version = DriverVersion(driver.version) if driver.version else None
    row = catalogue.branch_of(version) if version else None
    return row if row and version and row.branch == version.branch else None


def _hosts(catalogue: Catalogue) -> Iterator[tuple[str, str, Host]]:
    """Yield driver, product and host for every driver and GPU, the oldest driver first."""
    for branch in sorted(catalogue.nvidia.branches, key=lambda row: int(row.branch)):
        version = branch.driver or f"{branch.branch}.0"
        for row in catalogue.nvidia.capabilities:
            gpu = Gpu(vendor="nvidia", architecture=f"sm_{row.capability.replace('.', '')}")
            yield version, row.name, Host(gpus=(gpu,), drivers=(Driver(vendor="nvidia", version=version),))


NVIDIA: Final = Knowledge(
    builds=_builds,
    on_base=_on_base,
    packages=_packages,
    libraries=_libraries,
    complete=_complete,
    driver_name=lambda driver: f"driver {driver.version}",
    needs_version=True,
    tool="nvidia-smi",
    wsl_told=(
        "below WSL2 only the driver's own tool tells it, and it did not answer",
        "run nvidia-smi in the WSL distribution and, when it answers, kgpu-env probe there",
    ),
    newer_drivers=_newer_drivers,
    older_drivers=_older_drivers,
    branch_of=_branch_of,
    images=lambda catalogue: catalogue.images.cuda_bases,
    hosts=_hosts,
    requested=REQUESTED_RUNTIME[Vendor.CUDA],
    supports=None,
)
