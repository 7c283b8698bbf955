"""How the GPUs of one vendor are found, and what its files and labels tell: what each vendor's own module provides."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from provision.model import DeviceNode, Driver, Finding, Gpu, Host
from provision.probe.command import Tools
from provision.probe.lookups import Lookups
from provision.probe.monitor import Monitor
from provision.probe.pci import PciGpu
from provision.probe.reader import Reader
from provision.probe.unusable import Unusable

MOST_GPUS: Final = 1024  # of a node, slices among them: eight GPUs with seven slices each are 56


class UntoldError(ValueError):
    """The labels of a node leave open what has to be known; the message says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTold:
    """What a Kubernetes node tells of itself.

    Attributes:
        labels: by their whole names.
        capacity: quantities of resources, by the resources' names.
        machine: the processor's architecture as Go names it: "amd64".
        kernel: its release.
    """

    labels: Mapping[str, str]
    capacity: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""
    kernel: str = ""

    def below(self, prefix: str) -> dict[str, str]:
        """Return the labels whose names begin so, by the rest of their names."""
        return {name.removeprefix(prefix): value for name, value in self.labels.items() if name.startswith(prefix)}

    def offered(self, resource: str) -> int | None:
        """Return how many of a device plugin's resource the node has; None: it has no such resource."""
        return whole_number(self.capacity.get(resource))


def whole_number(text: str | None) -> int | None:
    """Return a number of GPUs or MiB, or None for what is none.

    >>> whole_number("8"), whole_number("8k"), whole_number(None)
    (8, None, None)
    """
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < len("10000000") else None


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
        labels: reads the labels of a Kubernetes node, None where they tell of no GPU of it; raises `UntoldError` where
            they leave something open. None: nothing labels its nodes.
    """

    files: Callable[[Reader, tuple[PciGpu, ...], Lookups], VendorPart]
    serves_wsl: Callable[[Reader], bool]
    tools: Callable[[Tools | None, Lookups], Callable[[Host], Host]] | None
    monitor: Monitor | None
    labels: Callable[[NodeTold, Lookups], VendorPart | None] | None = None
