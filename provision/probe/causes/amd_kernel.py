"""AMD: a kernel without this GPU, or without what it needs; defective firmware; the IOMMU between several GPUs."""

import re
from collections.abc import Iterator
from typing import Final

from provision.model import Finding, Vendor, version_key
from provision.probe.causes.scene import Scene, warning
from provision.probe.lookups import NeededKernel
from provision.probe.pci import DEVICES

_GROUPS: Final = "/sys/kernel/iommu_groups"
_ENVIRONMENT: Final = ("/etc/environment", "/etc/default/docker")
_FOLDERS: Final = ("/etc/environment.d", "/etc/profile.d")
_OVERRIDE = re.compile(r"^\s*(?:export\s+)?HSA_OVERRIDE_GFX_VERSION=[\"']?([\d.]*)", re.MULTILINE)
READS: Final = (
    *_ENVIRONMENT,
    *_FOLDERS,
    "/proc/sys/kernel/osrelease",
    f"{DEVICES}/*/fw_version/mes_fw_version",
    _GROUPS,
    "/sys/class/iommu",
    "/proc/cmdline",
)
_ROW: Final = Vendor.ROCM.row
_BACKPORTING: Final = ("rhel", "centos", "rocky", "almalinux", "ol", "sles")  # their kernels' numbers tell nothing
_BAD_MES: Final = {"gfx1151": {0x83}}  # ROCm#5724: linux-firmware 20251125


def too_old(scene: Scene) -> Iterator[Finding]:
    """KGE-146: the kernel's own amdgpu is too old to compute well on this GPU."""
    driver = scene.host.driver(_ROW.maker)
    running = re.match(r"\d+(\.\d+)*", scene.kernel)
    backporting = (scene.host.distribution or "").startswith(_BACKPORTING)
    if not driver or driver.flavour != "inbox" or not running or backporting:
        return
    for address, gpu in scene.whole_gpus(_ROW).items():
        row = scene.lookups.of(_ROW.maker).kernels.get(gpu.architecture or "")
        if row and not _is_enough(scene.kernel, running[0], row):
            yield warning(
                "KGE-146",
                f"The kernel {scene.kernel} is too old for {gpu.architecture} ({address}), which needs {row.needs}: "
                f"{row.reason}.",
                f"Use kernel {row.needs} or newer{_or(row.backports)}, and current linux-firmware. Check: uname -r",
            )


def _or(backports: tuple[str, ...]) -> str:
    return f", or {', '.join(backports)} or newer of that series" if backports else ""


def _is_enough(kernel: str, number: str, row: NeededKernel) -> bool:
    """Tell whether a kernel has what is needed: 6.14.0-1018-oem has, although 6.14 has not."""
    if version_key(number) >= version_key(row.needs):
        return True
    return any(_same_series(kernel, other) and _counts(kernel) >= _counts(other) for other in row.backports)


def _same_series(kernel: str, other: str) -> bool:
    return kernel.rpartition("-")[2] == other.rpartition("-")[2] and _counts(kernel)[:3] == _counts(other)[:3]


def _counts(kernel: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", kernel)[:4])


def firmware(scene: Scene) -> Iterator[Finding]:
    """KGE-146: a version of the scheduler's firmware that is known to be defective on this GPU."""
    for address, gpu in scene.whole_gpus(_ROW).items():
        text = scene.reader.line(f"{DEVICES}/{address}/fw_version/mes_fw_version") or ""
        number = int(text, 16) & 0xFF if re.fullmatch(r"0x[0-9a-fA-F]{1,8}", text) else -1
        if number in _BAD_MES.get(gpu.architecture or "", set()):
            yield warning(
                "KGE-146",
                f"The firmware of the GPU at {address} ({gpu.architecture}) is MES 0x{number:02x}, which is known "
                "to hang or "
                "fault (memory access fault by GPU node).",
                "Install linux-firmware of 2025-12 or newer, or amdgpu-dkms-firmware; then reboot. Check: cat "
                f"{DEVICES}/{address}/fw_version/mes_fw_version",
            )


def iommu(scene: Scene) -> Iterator[Finding]:
    """KGE-150: several GPUs behind a translating IOMMU; RCCL warns of hangs without iommu=pt."""
    cards = [
        address
        for address, gpu in scene.whole_gpus(_ROW).items()
        if not gpu.integrated and gpu.kernel_driver == _ROW.kernel_driver
    ]
    if len(cards) < 2 or _translates(scene, cards) is not True:  # noqa: PLR2004 - one GPU talks to no other
        return
    yield warning(
        "KGE-150",
        f"{len(cards)} AMD GPUs are behind an IOMMU that translates (no iommu=pt): RCCL's copies between them can "
        "be slow or "
        "hang.",
        f"{scene.family.add_word.replace('WORD', 'iommu=pt')}; then reboot. Check: cat /proc/cmdline",
    )


def _translates(scene: Scene, addresses: list[str]) -> bool | None:
    """Tell whether the IOMMU translates for these functions; None: not known."""
    groups = [scene.reader.link(f"{DEVICES}/{address}/iommu_group") for address in addresses]
    kinds = [scene.reader.line(f"{_GROUPS}/{group}/type") for group in groups if group]
    if any(kinds):
        return any((kind or "").startswith("DMA") for kind in kinds)
    words = (scene.reader.text("/proc/cmdline") or "").split()
    if not words or not scene.reader.names("/sys/class/iommu"):
        return None
    return not {"iommu=pt", "iommu.passthrough=1", "amd_iommu=off", "intel_iommu=off", "iommu=off"} & set(words)


def override(scene: Scene) -> Iterator[Finding]:
    """KGE-153: the whole machine tells ROCm that its GPU is another one."""
    if not scene.host.gpus_of(_ROW.maker):
        return
    paths = [*_ENVIRONMENT, *(f"{folder}/{name}" for folder in _FOLDERS for name in scene.reader.names(folder))]
    for path in paths:
        found = _OVERRIDE.search(scene.reader.text(path) or "")
        if found:
            what = "is empty, so that ROCm finds no GPU" if not found[1] else f"= {found[1]} forces code of another GPU"
            yield warning(
                "KGE-153",
                f"HSA_OVERRIDE_GFX_VERSION in {path} {what}: faults and wrong results follow.",
                f"Delete that line from {path} and log in again; a stack for the GPU itself needs no override. "
                "Check: env | grep HSA_OVERRIDE",
            )
