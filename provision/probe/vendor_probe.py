"""What the files of one vendor tell."""

from dataclasses import dataclass

from provision.model import DeviceNode, Driver, Finding, Gpu


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorPart:
    """One vendor's share of a Host; `machine` is the architecture, where the driver's own text names it."""

    gpus: tuple[Gpu, ...] = ()
    driver: Driver | None = None
    nodes: tuple[DeviceNode, ...] = ()
    findings: tuple[Finding, ...] = ()
    machine: str | None = None
