"""What every reader of causes gets: the files of the host, and what the probe has already found there."""

from dataclasses import dataclass

from provision.model import Finding, Gpu, GpuVendor, Host, Severity
from provision.model.distribution import Family, family
from provision.probe.lookups import Lookups
from provision.probe.pci import PciGpu
from provision.probe.reader import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A host's files and what is known of it.

    Attributes:
        reader: of this room's own: what it could not read is "not known" and no finding of the probe.
        host: GPUs, drivers, toolkits, kernel and distribution; its findings are not complete yet.
        on_bus: the display and compute functions of known makers.
        guest: the kind of container that the probe runs in ("lxc", "docker"), "" for a machine of its own.
    """

    reader: Reader
    host: Host
    on_bus: tuple[PciGpu, ...]
    lookups: Lookups
    guest: str = ""

    @property
    def family(self) -> Family:
        """The commands of this host's distribution."""
        return family(self.host.distribution)

    @property
    def kernel(self) -> str:
        """The running kernel's release, "" where it is not known."""
        return self.host.kernel or ""

    def undriven(self, row: GpuVendor) -> tuple[PciGpu, ...]:
        """Return the maker's GPUs that no driver holds, when the maker's module is not loaded.

        None in a container: kernel, modules and their settings there are not those of the machine.
        """
        if self.guest or self.host.driver(row.maker):
            return ()
        return tuple(gpu for gpu in self.on_bus if gpu.vendor == row.maker and gpu.driver is None)

    def whole_gpus(self, row: GpuVendor) -> dict[str, Gpu]:
        """Return one GPU for each PCI address of the maker, partitions taken together."""
        return {gpu.pci: gpu for gpu in self.host.gpus_of(row.maker) if gpu.pci}


def error(code: str, text: str, fix: str) -> Finding:
    """Return a finding that stops the GPU from being used."""
    return Finding(code=code, severity=Severity.ERROR, text=text, fix=fix)


def warning(code: str, text: str, fix: str) -> Finding:
    """Return a finding that may stop the GPU or spoil its results."""
    return Finding(code=code, severity=Severity.WARNING, text=text, fix=fix)


def info(code: str, text: str, fix: str) -> Finding:
    """Return a finding that is good to know."""
    return Finding(code=code, severity=Severity.INFO, text=text, fix=fix)


def named(gpus: tuple[PciGpu, ...], title: str) -> str:
    """Return the GPUs for a sentence: "The NVIDIA GPU at 0000:01:00.0"."""
    return f"The {title} GPU at {', '.join(gpu.address for gpu in gpus)}"
