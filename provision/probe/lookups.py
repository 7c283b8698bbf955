"""What a probe must look up, since no file of a host tells it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from provision.catalogue import LISTING, Catalogue, rows
from provision.model import Maker, Vendor


@dataclass(frozen=True, slots=True, kw_only=True)
class NeededKernel:
    """From which kernel on the kernel's own driver computes well on a GPU target.

    Attributes:
        needs: the release, "6.18.4".
        backports: older kernels of a distribution that do, too: "6.14.0-1018-oem".
        reason: what older ones lack, for a sentence.
    """

    needs: str
    backports: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetLookups:
    """Lookups for a maker whose builds list their GPUs.

    Attributes:
        releases: the version of the kernel module, its first three parts, to the driver's release branch, "6.16.13" to
            "30.30".
        chips: PCI device id, four lower-case hex digits, to the row of its chip.
        targets: "gfx942" to the same rows.
        kernels: GPU target to the kernel that it needs, where the kernel's own module drives it.
    """

    releases: Mapping[str, str] = field(default_factory=dict)
    chips: Mapping[str, rows.TargetChip] = field(default_factory=dict)
    targets: Mapping[str, rows.TargetChip] = field(default_factory=dict)
    kernels: Mapping[str, NeededKernel] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookups:
    """Lookups that the caller takes from the catalogue; empty ones make answers less exact, never wrong.

    Attributes:
        capabilities: NVIDIA PCI device id to capability, "2330" to "9.0".
        generations: capability to its row, "9.0" to that of Hopper.
        makers: those of the others.
    """

    capabilities: Mapping[str, str] = field(default_factory=dict)
    generations: Mapping[str, rows.Capability] = field(default_factory=dict)
    makers: Mapping[Maker, TargetLookups] = field(default_factory=dict)

    def of(self, maker: Maker) -> TargetLookups:
        """Return the lookups for a maker whose builds list their GPUs."""
        return self.makers.get(maker, _NONE)


_NONE: Final = TargetLookups()


def lookups_of(catalogue: Catalogue) -> Lookups:
    """Return the lookups of a catalogue."""
    return Lookups(
        capabilities={device: chip.capability for chip in catalogue.chips for device in chip.devices},
        generations={row.capability: row for row in catalogue.nvidia.capabilities},
        makers={vendor.row.maker: _of_listed(catalogue, vendor) for vendor in LISTING},
    )


def _of_listed(catalogue: Catalogue, vendor: Vendor) -> TargetLookups:
    known, chips = catalogue.listed(vendor), catalogue.listed_chips(vendor)
    return TargetLookups(
        releases={version: row.release for row in known.drivers for version in row.sysfs},
        chips={device: chip for chip in chips for device in chip.devices},
        targets={chip.target: chip for chip in chips},
        kernels={
            row.target: NeededKernel(needs=row.kernel, backports=row.kernel_backports, reason=row.kernel_reason)
            for row in known.targets
            if row.kernel
        },
    )
