"""A maker that does not exist, from files alone: its module, and its GPUs on the bus."""

from typing import Final

from provision.model import Driver, Gpu, Vendor
from provision.probe.lookups import Lookups
from provision.probe.pci import PciGpu
from provision.probe.reader import Reader
from provision.probe.vendor_probe import VendorPart, VendorProbe

_ROW: Final = Vendor("warp").row


def probe_acme(reader: Reader, pci: tuple[PciGpu, ...], lookups: Lookups) -> VendorPart:
    """Return the Acme part of a host; `pci` are its Acme functions on the bus."""
    known = lookups.of(_ROW.maker)
    version = reader.line(f"/sys/module/{_ROW.kernel_driver}/version")
    gpus = tuple(
        Gpu(
            vendor=_ROW.maker,
            architecture=known.chips[gpu.device].target if gpu.device in known.chips else None,
            pci=gpu.address,
            kernel_driver=gpu.driver,
            nodes=reader.nodes(f"{_ROW.own_node}{number}"),
        )
        for number, gpu in enumerate(pci)
    )
    driver = Driver(vendor=_ROW.maker, version=version, release=known.releases.get(version or "")) if version else None
    return VendorPart(gpus=gpus, driver=driver, nodes=reader.nodes(*_ROW.shared_nodes))


def serves_wsl(reader: Reader) -> bool:
    """Tell whether Acme's library for WSL2 is there."""
    return reader.exists(_ROW.wsl_library)


PROBE: Final = VendorProbe(probe_acme, serves_wsl, tools=None, monitor=None)
