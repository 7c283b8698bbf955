"""What a probe must look up, since no file of a host tells it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from provision.catalogue import Catalogue, rows


@dataclass(frozen=True, slots=True, kw_only=True)
class AmdKernel:
    """From which kernel on the kernel's own amdgpu computes well on a GPU target.

    Attributes:
        needs: the release, "6.18.4".
        backports: older kernels of a distribution that do, too: "6.14.0-1018-oem".
        reason: what older ones lack, for a sentence.
    """

    needs: str
    backports: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookups:
    """Lookups that the caller takes from the catalogue; empty ones make answers less exact, never wrong.

    Attributes:
        amd_releases: `/sys/module/amdgpu/version`, its first three parts, to the driver's release branch, "6.16.13" to
            "30.30".
        amd_chips: AMD PCI device id, four lower-case hex digits, to the row of its chip.
        amd_targets: "gfx942" to the same rows.
        capabilities: NVIDIA PCI device id to capability, "2330" to "9.0".
        generations: capability to its row, "9.0" to that of Hopper.
        amd_kernels: GPU target to the kernel that it needs, where the kernel's own amdgpu drives it.
    """

    amd_releases: Mapping[str, str] = field(default_factory=dict)
    amd_chips: Mapping[str, rows.AmdChip] = field(default_factory=dict)
    amd_targets: Mapping[str, rows.AmdChip] = field(default_factory=dict)
    capabilities: Mapping[str, str] = field(default_factory=dict)
    generations: Mapping[str, rows.Capability] = field(default_factory=dict)
    amd_kernels: Mapping[str, AmdKernel] = field(default_factory=dict)


def lookups_of(catalogue: Catalogue) -> Lookups:
    """Return the lookups of a catalogue."""
    return Lookups(
        amd_releases={version: row.release for row in catalogue.amd.drivers for version in row.sysfs},
        amd_chips={device: chip for chip in catalogue.amd_chips for device in chip.devices},
        amd_targets={chip.target: chip for chip in catalogue.amd_chips},
        capabilities={device: chip.capability for chip in catalogue.chips for device in chip.devices},
        generations={row.capability: row for row in catalogue.nvidia.capabilities},
        amd_kernels={
            row.target: AmdKernel(needs=row.kernel, backports=row.kernel_backports, reason=row.kernel_reason)
            for row in catalogue.amd.targets
            if row.kernel
        },
    )
