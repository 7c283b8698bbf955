"""What a probe must look up, since no file of a host tells it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from provision.catalogue import Catalogue, rows


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
    """

    amd_releases: Mapping[str, str] = field(default_factory=dict)
    amd_chips: Mapping[str, rows.AmdChip] = field(default_factory=dict)
    amd_targets: Mapping[str, rows.AmdChip] = field(default_factory=dict)
    capabilities: Mapping[str, str] = field(default_factory=dict)
    generations: Mapping[str, rows.Capability] = field(default_factory=dict)


def lookups_of(catalogue: Catalogue) -> Lookups:
    """Return the lookups of a catalogue."""
    return Lookups(
        amd_releases={version: row.release for row in catalogue.amd.drivers for version in row.sysfs},
        amd_chips={device: chip for chip in catalogue.amd_chips for device in chip.devices},
        amd_targets={chip.target: chip for chip in catalogue.amd_chips},
        capabilities={device: chip.capability for chip in catalogue.chips for device in chip.devices},
        generations={row.capability: row for row in catalogue.nvidia.capabilities},
    )
