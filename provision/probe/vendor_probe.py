"""How the GPUs of one vendor are found, and what its files tell: what each vendor's own module provides."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from provision.model import DeviceNode, Driver, Finding, Gpu, Host
from provision.probe.command import Tools
from provision.probe.lookups import Lookups
from provision.probe.monitor import Monitor
from provision.probe.pci import PciGpu
from provision.probe.reader import Reader
from provision.probe.unusable import Unusable


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorPart:
    """One vendor's share of a Host.

    Attributes:
        gpus: in PCI order.
        driver: the loaded driver.
        nodes: device nodes that all its GPUs share.
        unusable: why GPUs are not usable, by PCI address.
        findings: what else a person should know.
        machine: the architecture, where the driver's own text names it.
        off_bus: there is a GPU that no bus shows and no container can be given.
    """

    gpus: tuple[Gpu, ...] = ()
    driver: Driver | None = None
    nodes: tuple[DeviceNode, ...] = ()
    unusable: Mapping[str, Unusable] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    machine: str | None = None
    off_bus: bool = False


class VendorProbe(NamedTuple):
    """A vendor's functions.

    Attributes:
        files: reads files below a root, for the vendor's functions on the bus.
        serves_wsl: tells whether the library is there without which WSL2's GPU is of no use.
        tools: runs the vendor's tools here, or looks into those of a capture, and returns what adds their answer to a
            host; None: files tell all.
        monitor: tells of its GPUs on the host while a process works; None: nobody does.
    """

    files: Callable[[Reader, tuple[PciGpu, ...], Lookups], VendorPart]
    serves_wsl: Callable[[Reader], bool]
    tools: Callable[[Tools | None, Lookups], Callable[[Host], Host]] | None
    monitor: Monitor | None
