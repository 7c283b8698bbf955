"""Causes that lie on disk: one reader each, in one table. Files alone, of this machine or of a captured tree.

What a reader cannot read is not known, never "no": it then says nothing, and KGE-151 names the file where a GPU does
not work.
"""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from provision.model import Finding, Host, Severity
from provision.probe.causes import (
    amd_kernel,
    boot,
    cdi_spec,
    engines,
    fabric,
    guest,
    health,
    kernel_log,
    kernel_signs,
    loader,
    modules,
    processor,
)
from provision.probe.causes.scene import Scene, info
from provision.probe.lookups import Lookups
from provision.probe.pci import PciGpu
from provision.probe.reader import Reader


class Cause(NamedTuple):
    """One reader: its name, the files it reads, its function, the codes of what it may find."""

    name: str
    reads: tuple[str, ...]
    find: Callable[[Scene], Iterable[Finding]]
    codes: tuple[str, ...]


CAUSES: Final = (
    Cause("off the bus", health.READS, health.off_bus, ("KGE-133",)),
    Cause("command line", boot.READS, boot.command_line, ("KGE-121",)),
    Cause("blacklist", boot.READS, boot.blacklist, ("KGE-122",)),
    Cause("another driver", boot.READS, boot.rival, ("KGE-123",)),
    Cause("switched off", boot.READS, boot.switched_off, ("KGE-124",)),
    Cause("module of another kernel", modules.READS, modules.other_kernel, ("KGE-125", "KGE-126")),
    Cause("DKMS module not running", modules.READS, modules.dkms_not_running, ("KGE-125",)),
    Cause("Secure Boot", boot.READS, boot.secure_boot, ("KGE-120",)),
    Cause("module older than libraries", modules.READS, modules.old_on_disk, ("KGE-127",)),
    Cause("no libcuda", modules.READS, modules.no_cuda, ("KGE-154",)),
    Cause("wrong libcuda", loader.READS, loader.wrong_cuda, ("KGE-157",)),
    Cause("Linux driver in WSL2", loader.READS, loader.linux_driver_in_wsl, ("KGE-158",)),
    Cause(
        "kernel's log", kernel_log.READS, kernel_log.signs, tuple(sorted({sign.code for sign in kernel_signs.SIGNS}))
    ),
    Cause("memory errors", health.READS, health.memory_errors, ("KGE-134",)),
    Cause("fabric manager", fabric.READS, fabric.manager, ("KGE-131", "KGE-132")),
    Cause("kernel and GPU", amd_kernel.READS, amd_kernel.too_old, ("KGE-146",)),
    Cause("firmware", amd_kernel.READS, amd_kernel.firmware, ("KGE-146",)),
    Cause("override", amd_kernel.READS, amd_kernel.override, ("KGE-153",)),
    Cause("IOMMU", amd_kernel.READS, amd_kernel.iommu, ("KGE-150",)),
    Cause("PCIe link", health.READS, health.link, ("KGE-138",)),
    Cause("licence", health.READS, health.licence, ("KGE-149",)),
    Cause("series of vGPU", health.READS, health.series, ("KGE-155",)),
    Cause("nodes not handed in", guest.READS, guest.missing_nodes, ("KGE-129",)),
    Cause("device rules", guest.READS, guest.device_rules, ("KGE-130",)),
    Cause("a container itself", guest.READS, guest.inside, ("KGE-128",)),
    Cause("toolkit's root", cdi_spec.READS, cdi_spec.other_root, ("KGE-142",)),
    Cause("stale CDI", cdi_spec.READS, cdi_spec.stale, ("KGE-140",)),
    Cause("CDI mode without CDI", cdi_spec.READS, cdi_spec.mode_without_spec, ("KGE-159",)),
    Cause("runtime not registered", cdi_spec.READS, cdi_spec.not_registered, ("KGE-141",)),
    Cause("snap", engines.READS, engines.snap, ("KGE-143",)),
    Cause("Docker Desktop", engines.READS, engines.desktop, ("KGE-143",)),
    Cause("dockerd's settings", engines.READS, engines.settings, ("KGE-156",)),
    Cause("engine's bridge", engines.READS, engines.bridge, ("KGE-152",)),
    Cause("reload of systemd", engines.READS, engines.reload, ("KGE-144",)),
    Cause("SELinux", engines.READS, engines.selinux, ("KGE-145",)),
    Cause("processor", processor.READS, processor.avx, ("KGE-148",)),
)


def find_causes(reader: Reader, host: Host, on_bus: tuple[PciGpu, ...], lookups: Lookups) -> tuple[Finding, ...]:
    """Return the causes that a host's files tell, in the table's order.

    Args:
        reader: the files of the host; what the causes cannot read is not noted there.
        host: what the probe has found, its findings included.
        on_bus: the functions of known makers.
        lookups: lookups from the catalogue.
    """
    own = Reader(reader.root, reader.touched)
    scene = Scene(reader=own, host=host, on_bus=on_bus, lookups=lookups, guest=guest.kind(own))
    found = [finding for cause in CAUSES for finding in cause.find(scene)]
    is_broken = any(finding.severity is Severity.ERROR for finding in (*host.findings, *found))
    return tuple(dict.fromkeys([*found, *(_not_known(own) if is_broken else ())]))


def _not_known(reader: Reader) -> list[Finding]:
    paths = sorted({finding.text.partition(" could not be read")[0] for finding in reader.findings})
    if not paths:
        return []
    text = f"Not known, since this user may not read it: {', '.join(paths)}. A cause may be written there."
    return [info("KGE-151", text, "Run the probe with sudo to read these files, too.")]
