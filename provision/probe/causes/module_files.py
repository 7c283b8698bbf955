"""Kernel modules on disk: for which kernels there is one, of which version, and whether this host built it."""

import gzip
import lzma
import re
from typing import Final

from provision.probe.causes.scene import Scene
from provision.probe.nvidia import LIBRARY_DIRS
from provision.probe.nvidia_parsers import parse_library_version

DKMS: Final = "/var/lib/dkms"
TREES: Final = ("/lib/modules", "/usr/lib/modules", "/run/booted-system/kernel-modules/lib/modules")
# Where DKMS, akmods, NVIDIA's packages for RHEL, Arch, NixOS and the kernels' own packages put GPU modules.
_FOLDERS: Final = (
    "updates/dkms",
    "updates",
    "extra",
    "extra/nvidia",
    "extra/drivers/video/nvidia",
    "extramodules",
    "weak-updates",
    "weak-updates/nvidia",
    "misc",
    "kernel/drivers/video",
    "kernel/drivers/char/drm",
    "kernel/drivers/gpu/drm/amd/amdgpu",
)
_BUILT: Final = ("/updates/", "/extra/", "/extramodules/", "/weak-updates/")
_LIMIT: Final = 256 << 20  # bytes of a module: NVIDIA's has about 100 MiB with its symbols
_VERSION = re.compile(rb"\0version=([\w.+~-]+)\0")


def of_kernel(scene: Scene, module: str, kernel: str) -> tuple[str, ...]:
    """Return the module's files for a kernel; `nvidia-current` is Debian's name, `nvidiafb` another driver."""
    pattern = re.compile(rf"{module}(-current)?\.ko(\.(xz|zst|gz))?", re.ASCII)
    found = []
    for tree in TREES:
        folders = [*_FOLDERS, *_branches(scene, f"{tree}/{kernel}", module)]
        for folder in folders if kernel else ():
            names = scene.reader.names(f"{tree}/{kernel}/{folder}")
            found += [f"{tree}/{kernel}/{folder}/{name}" for name in names if pattern.fullmatch(name)]
    return tuple(found) or _listed(scene, pattern, kernel)


def _branches(scene: Scene, folder: str, module: str) -> list[str]:
    """Return Ubuntu's folders of signed modules, kernel/nvidia-570 and kernel/nvidia-570-open."""
    return [f"kernel/{name}" for name in scene.reader.names(f"{folder}/kernel") if name.startswith(f"{module}-")]


def _listed(scene: Scene, pattern: re.Pattern[str], kernel: str) -> tuple[str, ...]:
    """Return the module's files that depmod lists in whichever folder."""
    for tree in TREES if kernel else ():
        text = scene.reader.text(f"{tree}/{kernel}/modules.dep") or ""
        paths = (line.partition(":")[0] for line in text.splitlines())
        found = tuple(f"{tree}/{kernel}/{path}" for path in paths if pattern.fullmatch(path.rpartition("/")[2]))
        if found:
            return found
    return ()


def is_known(scene: Scene, kernel: str) -> bool:
    """Tell whether the kernel's modules can be seen at all; a captured tree seldom holds them."""
    return bool(kernel) and any(scene.reader.names(f"{tree}/{kernel}") for tree in TREES)


def kernels_with(scene: Scene, module: str) -> tuple[str, ...]:
    """Return the kernels for which there is a module, on disk or as DKMS built it."""
    names = {name for tree in TREES for name in scene.reader.names(tree)}
    on_disk = {kernel for kernel in names if of_kernel(scene, module, kernel)}
    return tuple(sorted(on_disk | set(built_by_dkms(scene, module))))


def built_by_dkms(scene: Scene, module: str) -> dict[str, str]:
    """Return the kernels for which DKMS built the module, with the version that it built."""
    return {
        kernel: version
        for folder in _dkms_names(scene, module)
        for version in scene.reader.names(f"{DKMS}/{folder}")
        for kernel in scene.reader.names(f"{DKMS}/{folder}/{version}")
        if any(
            scene.reader.names(f"{DKMS}/{folder}/{version}/{kernel}/{machine}/module")
            for machine in scene.reader.names(f"{DKMS}/{folder}/{version}/{kernel}")
        )
    }


def dkms_versions(scene: Scene, module: str) -> tuple[str, ...]:
    """Return the versions that DKMS has the source of, built or not."""
    folders = _dkms_names(scene, module)
    names = (name for folder in folders for name in scene.reader.names(f"{DKMS}/{folder}"))
    return tuple(name for name in names if re.match(r"\d+\.", name))


def _dkms_names(scene: Scene, module: str) -> list[str]:
    pattern = re.compile(rf"{module}(-(current|srv|open|\d+))*")
    return [name for name in scene.reader.names(DKMS) if pattern.fullmatch(name)]


def is_built_here(path: str) -> bool:
    """Tell a module that the host built, or a third party, from one that came signed with the kernel."""
    return any(part in path for part in _BUILT)


def version_on_disk(scene: Scene, module: str) -> str | None:
    """Return the version of the module that a reboot would load; None where no file tells it."""
    built = built_by_dkms(scene, module)
    if scene.kernel in built:
        return built[scene.kernel]
    files = of_kernel(scene, module, scene.kernel)
    found = _VERSION.search(_unpacked(files[0], scene.reader.data(files[0], _LIMIT) or b"")) if files else None
    return found[1].decode(errors="replace") if found else None


def _unpacked(path: str, data: bytes) -> bytes:
    """Return a module's bytes; those of zstd stay packed, which Python has no reader for."""
    try:
        if path.endswith(".xz"):
            return lzma.decompress(data)
        return gzip.decompress(data) if path.endswith(".gz") else data
    except (lzma.LZMAError, OSError, EOFError):
        return b""


def libraries(scene: Scene) -> tuple[str, ...]:
    """Return the versions of NVIDIA's driver libraries on disk."""
    names = (name for folder in LIBRARY_DIRS for name in scene.reader.names(folder))
    return tuple(sorted({version for name in names if (version := parse_library_version(name))}))
