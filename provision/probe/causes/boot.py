"""What start-up did: Secure Boot, the kernel's command line, modprobe's blacklists, another driver, a switch."""

import re
from collections.abc import Iterator
from typing import Final

from provision.model import GPU_VENDORS, Finding, GpuVendor
from provision.probe.causes import kernel_log, module_files
from provision.probe.causes.scene import Scene, error, named
from provision.probe.pci import PciGpu

_SECURE_BOOT: Final = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_LOCKDOWN: Final = "/sys/kernel/security/lockdown"
_MODPROBE: Final = ("/etc/modprobe.d", "/run/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d")
_SWITCH: Final = "/proc/acpi/bbswitch"
READS: Final = (_SECURE_BOOT, _LOCKDOWN, "/proc/cmdline", *_MODPROBE, _SWITCH)
# The keys that a host signs its own modules with: DKMS's, where Ubuntu and where dkms itself puts it, and akmods'.
_UBUNTU, _DKMS = "/var/lib/shim-signed/mok/MOK.der", "/var/lib/dkms/mok.pub"
_AKMODS = "/etc/pki/akmods/certs/public_key.der"
_KEYS: Final = (_UBUNTU, _DKMS, _AKMODS)
# NVIDIA/yum-packaging-precompiled-kmod: kmod-nvidia.spec has the folder, UEFI.md the key.
_OF_NVIDIA: Final = "/extra/drivers/video/nvidia/"
_OF_AKMODS: Final = "/extra/nvidia/"  # RPM Fusion's kmod-nvidia; DKMS puts its modules into /extra itself
_ENROLLED: Final = (
    "/sys/firmware/efi/mok-variables/MokListRT",
    "/sys/firmware/efi/efivars/MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23",
)
# The kernel's own drivers, by the driver's name on the bus -> modules to blacklist. NovaCore: beclab/Olares#3963.
_RIVALS: Final = {
    "nouveau": ("nouveau",),
    "nova_core": ("nova_core", "nova_drm"),
    "NovaCore": ("nova_core", "nova_drm"),
}


def secure_boot(scene: Scene) -> Iterator[Finding]:
    """KGE-120: the firmware lets signed modules alone in, and the one on disk was built on this host."""
    if not is_secure(scene):
        return
    refused = kernel_log.has(
        scene, r"Key was rejected by service|Loading of .*module.* is rejected|unsigned module loading"
    )
    for row in GPU_VENDORS.values():
        gpus = scene.undriven(row)
        files = module_files.of_kernel(scene, row.kernel_driver, scene.kernel)
        built = [path for path in files if module_files.is_built_here(path)]
        if gpus and (refused or (built and not _is_enrolled(scene))):
            yield _secure_boot(scene, row, gpus, built[0] if built else "the module")


def is_secure(scene: Scene) -> bool:
    """Tell whether Secure Boot is known to be on; the fifth byte is the variable's value, four are attributes."""
    value = scene.reader.data(_SECURE_BOOT) or b""
    lockdown = scene.reader.line(_LOCKDOWN) or ""
    return value[4:5] == b"\x01" or "[integrity]" in lockdown or "[confidentiality]" in lockdown


def _is_enrolled(scene: Scene) -> bool:
    """Tell whether a key that this host signs with is known to be among those that the firmware trusts."""
    trusted = b"".join(scene.reader.data(path) or b"" for path in _ENROLLED)
    keys = (scene.reader.data(path) for path in _KEYS)
    return any(key in trusted for key in keys if key)


def _secure_boot(scene: Scene, row: GpuVendor, gpus: tuple[PciGpu, ...], path: str) -> Finding:
    key = _key(scene, path)
    who = "akmods'" if key == _AKMODS else "DKMS's"
    origin, enrol = "was built on this host", f"Enrol {who} key: `sudo mokutil --import {key}`"
    if _OF_NVIDIA in path:
        origin = "NVIDIA built and signed"
        enrol = "Download NVIDIA's key, NVIDIA2019-public_key.der, from the repository of that package (newer packages "
        enrol += "may have another), and enrol it: sudo mokutil --import NVIDIA2019-public_key.der"
    return error(
        "KGE-120",
        f"{named(gpus, row.title)} has no driver: Secure Boot is on and refuses {path}, which {origin} and is signed "
        "by no key that is enrolled.",
        f"{enrol}, reboot and confirm it there; or install the distribution's "
        "signed modules, or switch Secure Boot off in the firmware. Check: mokutil --sb-state",
    )


def _key(scene: Scene, path: str) -> str:
    """Return the key that the module at `path` is signed with: the one that is there, or its builder's usual one."""
    usual = _UBUNTU if (scene.host.distribution or "").startswith("ubuntu") else _DKMS
    usual = _AKMODS if _OF_AKMODS in path else usual
    return next((key for key in (usual, *_KEYS) if scene.reader.exists(key)), usual)


def command_line(scene: Scene) -> Iterator[Finding]:
    """KGE-121: a word on the kernel's command line keeps the driver out."""
    words = (scene.reader.text("/proc/cmdline") or "").replace("\0", " ").split()
    for row in GPU_VENDORS.values():
        gpus = scene.undriven(row)
        word = next((word for word in words if _keeps_out(word, row)), None)
        if gpus and word:
            yield _command_line(scene, row, gpus, word)


def _keeps_out(word: str, row: GpuVendor) -> bool:
    name, equals, value = word.partition("=")
    if name in {"modprobe.blacklist", "module_blacklist", "rd.driver.blacklist"}:
        return row.kernel_driver in value.split(",")
    if word == f"{row.kernel_driver}.modeset=0":
        return row.needs_modesetting
    return word == "nomodeset" and not equals and row.needs_modesetting


def _command_line(scene: Scene, row: GpuVendor, gpus: tuple[PciGpu, ...], word: str) -> Finding:
    by_hand = word.startswith(("modprobe.blacklist", "rd."))
    now = f"In spite of that: `sudo modprobe {row.kernel_driver}`. " if by_hand else ""
    return error(
        "KGE-121",
        f"{named(gpus, row.title)} has no driver: {word} on the kernel's command line keeps {row.kernel_driver} out.",
        f"{now}For good: {scene.family.remove_word.replace('WORD', word)}; then reboot. Check: cat /proc/cmdline",
    )


def blacklist(scene: Scene) -> Iterator[Finding]:
    """KGE-122: a file of modprobe keeps the driver out."""
    for row in GPU_VENDORS.values():
        gpus = scene.undriven(row)
        if gpus and (found := _blacklisting(scene, row.kernel_driver)):
            yield _blacklist(scene, row, gpus, *found)


def _blacklisting(scene: Scene, module: str) -> tuple[str, str] | None:
    """Return the file and the line that keep `module` from being loaded by itself, or at all."""
    pattern = re.compile(
        rf"(blacklist\s+{module}|install\s+{module}\s+\S*(false|true)|alias\s+{module}\s+off)\s*(#.*)?"
    )
    for folder in _MODPROBE:
        for name in scene.reader.names(folder):
            if name.endswith(".conf"):
                lines = (scene.reader.text(f"{folder}/{name}") or "").splitlines()
                found = [line.strip() for line in lines if pattern.fullmatch(line.strip())]
                if found:
                    return f"{folder}/{name}", found[-1]
    return None


def _blacklist(scene: Scene, row: GpuVendor, gpus: tuple[PciGpu, ...], path: str, line: str) -> Finding:
    module = row.kernel_driver
    if line.startswith("alias"):
        fix = f"`sudo prime-select on-demand` (or delete {path}), then reboot."
    elif line.startswith("install"):
        fix = f"Delete that line, then: {scene.family.initramfs}; `sudo modprobe {module}`"
    else:
        fix = f"In spite of that: `sudo modprobe {module}`. For good delete that line, then: {scene.family.initramfs}."
    return error(
        "KGE-122",
        f'{named(gpus, row.title)} has no driver: "{line}" in {path} keeps {module} out.',
        f"{fix} Check: lsmod",
    )


def rival(scene: Scene) -> Iterator[Finding]:
    """KGE-123: a driver of the kernel's own holds the GPU although the maker's is installed."""
    for row in GPU_VENDORS.values():
        for name, modules in _RIVALS.items():
            gpus = tuple(gpu for gpu in scene.on_bus if gpu.vendor == row.maker and gpu.driver == name)
            if gpus:
                yield from _rival(scene, row, gpus, modules)


def _rival(scene: Scene, row: GpuVendor, gpus: tuple[PciGpu, ...], modules: tuple[str, ...]) -> Iterator[Finding]:
    listed = _blacklisting(scene, modules[0])
    if not listed and modules[0] == "nouveau" and not module_files.libraries(scene):
        return  # the maker's driver was never installed: KGE-102 says that
    lines = "".join(f"blacklist {module}\\n" for module in modules)
    stale = f" {listed[0]} forbids it: the initial RAM disk is older than that file." if listed else ""
    write = "" if listed else f"`printf '{lines}' | sudo tee /etc/modprobe.d/blacklist-{modules[0]}.conf`; "
    yield error(
        "KGE-123",
        f"{named(gpus, row.title)} is held by {modules[0]}, the kernel's own driver, so that {row.kernel_driver} "
        "cannot "
        f"take it.{stale}",
        f"{write}{scene.family.initramfs}, then reboot. Check: lspci -k",
    )


def switched_off(scene: Scene) -> Iterator[Finding]:
    """KGE-124: bbswitch has cut the GPU's power."""
    address, _, state = (scene.reader.line(_SWITCH) or "").partition(" ")
    gpu = next((gpu for gpu in scene.on_bus if gpu.address == address), None)
    if gpu and state.strip() == "OFF":
        title = next(row.title for row in GPU_VENDORS.values() if row.maker == gpu.vendor)
        yield error(
            "KGE-124",
            f"The {title} GPU at {address} is switched off: {_SWITCH} says OFF.",
            f"`echo ON | sudo tee {_SWITCH}`; for good remove bbswitch and bumblebee. Check: cat {_SWITCH}",
        )
