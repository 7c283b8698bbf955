"""Modules that do not fit: built for another kernel, for none, or older than the libraries beside them."""

from collections.abc import Iterator
from typing import Final

from provision.model import GPU_VENDORS, Finding, GpuVendor, Vendor
from provision.probe.causes import module_files
from provision.probe.causes.scene import Scene, error, named, warning
from provision.probe.nvidia import LIBRARY_DIRS
from provision.probe.pci import PciGpu

READS: Final = (*module_files.TREES, module_files.DKMS, "/usr/src", "/sys/module/nvidia_vgpu_vfio")
_NVIDIA: Final = Vendor.CUDA.row
_AMD: Final = Vendor.ROCM.row


def other_kernel(scene: Scene) -> Iterator[Finding]:
    """KGE-125: there is a module, but not for the kernel that runs; KGE-126: there is none at all."""
    for row in GPU_VENDORS.values():
        gpus = scene.undriven(row)
        if not gpus or not scene.kernel or module_files.of_kernel(scene, row.kernel_driver, scene.kernel):
            continue
        others = [one for one in module_files.kernels_with(scene, row.kernel_driver) if one != scene.kernel]
        if scene.kernel in module_files.built_by_dkms(scene, row.kernel_driver):
            continue
        if others:
            yield _built_for_another(scene, row, gpus, others)
        elif module_files.is_known(scene, scene.kernel) and _is_installed(scene, row):
            yield _no_module(scene, row, gpus)


def _is_installed(scene: Scene, row: GpuVendor) -> bool:
    """Tell whether the maker's driver should be there: its libraries or DKMS source are; AMD's is of the kernel."""
    installed = module_files.dkms_versions(scene, row.kernel_driver) or module_files.libraries(scene)
    return bool(installed) or row is _AMD


def _built_for_another(scene: Scene, row: GpuVendor, gpus: tuple[PciGpu, ...], others: list[str]) -> Finding:
    return error(
        "KGE-125",
        f"{named(gpus, row.title)} has no driver: the module {row.kernel_driver} is built for "
        f"{', '.join(others[-3:])}, "
        f"the running kernel is {scene.kernel}.",
        f"{_build(scene)}; or boot {others[-1]}. Check: dkms status; modinfo {row.kernel_driver}",
    )


def _build(scene: Scene) -> str:
    headers = _headers(scene)
    install = "" if headers else f"{scene.family.install.format(scene.family.headers)}, then: "
    return f"{install}`sudo dkms autoinstall` (a driver without DKMS: install it anew for this kernel)"


def _headers(scene: Scene) -> bool:
    """Tell whether the running kernel's headers are known to be there."""
    return any(scene.reader.exists(f"{tree}/{scene.kernel}/build") for tree in module_files.TREES)


def _no_module(scene: Scene, row: GpuVendor, gpus: tuple[PciGpu, ...]) -> Finding:
    versions = module_files.dkms_versions(scene, row.kernel_driver)
    headers = _headers(scene)
    why = ""
    if versions:
        why = f" DKMS has the source of {versions[-1]} and has not built it"
        why += "; the kernel's headers are not installed." if not headers else "."
    ubuntu = row is _AMD and (scene.host.distribution or "").startswith("ubuntu")
    extra = scene.family.install.format("linux-modules-extra-$(uname -r)") if ubuntu and not versions else ""
    fix = extra or (_build(scene) if versions else f"Install the driver's module for {scene.kernel}")
    return error(
        "KGE-126",
        f"{named(gpus, row.title)} has no driver: there is no module {row.kernel_driver} for the running kernel "
        f"{scene.kernel}.{why}",
        f"{fix}; then: `sudo modprobe {row.kernel_driver}`. Check: modinfo {row.kernel_driver}",
    )


def dkms_not_running(scene: Scene) -> Iterator[Finding]:
    """KGE-125: amdgpu-dkms is installed, has no module for this kernel, and the kernel's own amdgpu runs instead."""
    driver = scene.host.driver(_AMD.maker)
    versions = module_files.dkms_versions(scene, _AMD.kernel_driver)
    if not driver or driver.flavour != "inbox" or not versions or not scene.kernel:
        return
    built = module_files.built_by_dkms(scene, _AMD.kernel_driver)
    files = module_files.of_kernel(scene, _AMD.kernel_driver, scene.kernel)
    if scene.kernel in built or any(module_files.is_built_here(path) for path in files):
        return
    yield warning(
        "KGE-125",
        f"amdgpu-dkms {versions[-1]} is installed but has no module for the running kernel {scene.kernel}: the "
        "kernel's "
        "own amdgpu runs in its place.",
        f"Install a driver release that knows this kernel, or boot one that it knows; {module_files.DKMS}/amdgpu/"
        f"{versions[-1]}/build/make.log says why it did not build. Or remove amdgpu-dkms. Check: dkms status",
    )


def old_on_disk(scene: Scene) -> Iterator[Finding]:
    """KGE-127: the libraries are newer than the module on disk, so that a reboot fixes nothing."""
    driver = scene.host.driver(_NVIDIA.maker)
    libraries = module_files.libraries(scene)
    if scene.guest or not driver or not driver.version or not libraries or driver.version in libraries:
        return
    on_disk = module_files.version_on_disk(scene, _NVIDIA.kernel_driver)
    if on_disk and on_disk not in libraries:
        packages = {"`sudo apt-get install {}`": "`sudo apt-get --fix-broken install && sudo apt-get full-upgrade`"}
        upgrade = packages.get(scene.family.install, "bring the kernel module's package to the libraries' version")
        yield error(
            "KGE-127",
            f"The NVIDIA libraries are {', '.join(libraries)}, the loaded module is {driver.version} and the one "
            "on disk "
            f"for {scene.kernel} is {on_disk}: a reboot does not help.",
            f"Bring the kernel module to the libraries' version: {upgrade}; then reboot. Check: modinfo -F "
            "version nvidia",
        )


def no_cuda(scene: Scene) -> Iterator[Finding]:
    """KGE-154: of the driver's libraries NVML is on disk and libcuda is not: the compute part was not installed."""
    driver = scene.host.driver(_NVIDIA.maker)
    if scene.guest or scene.host.wsl or not driver or not driver.version:
        return
    folders = [one for one in LIBRARY_DIRS if scene.reader.exists(f"{one}/libnvidia-ml.so.{driver.version}")]
    names = [name for folder in LIBRARY_DIRS for name in scene.reader.names(folder)]
    if not folders or any(name.startswith(_NVIDIA.library) for name in names):
        return
    manager = scene.reader.exists("/sys/module/nvidia_vgpu_vfio")
    why = " It is the driver of a vGPU host, whose GPUs are for virtual machines." if manager else ""
    apt = "apt-get" in scene.family.install
    branch = driver.version.partition(".")[0]
    package = f"libnvidia-compute-{branch} (Debian: libcuda1)" if apt else "nvidia-driver-cuda-libs"
    install = f"Install the compute part of driver {driver.version}: {package}."
    fix = "Use the GPU in a guest, or install the driver for bare metal." if manager else install
    yield error(
        "KGE-154",
        f"The NVIDIA driver {driver.version} is loaded, and its libcuda is not on disk ({folders[0]} has NVML alone): "
        f"no program can use CUDA, here or in a container.{why}",
        f"{fix} Check: ldconfig -p | grep libcuda.so.1",
    )
