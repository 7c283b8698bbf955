"""What a message's cause may depend on: a host, and where the framework ran, as far as they are known."""

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from provision.model import GPU_VENDORS, Driver, Engine, Gpu, GpuVendor, Host, Vendor

# The marketing names tell the board: NVIDIA writes the form factor or the memory of the SXM one into them.
# A GH200 has HBM3e on a board of its own, and no NVSwitch in a single machine.
SXM: Final = re.compile(r"^(?!.*\bGH200\b).*(\bSXM\d?\b|\bHBM3e?\b|\b(GB|B)[23]00\b|\bH(100|200|800|20(-3e)?)$)")
PCIE: Final = re.compile(r"\bPCIe\b|\bNVL\b|\bRTX\b", re.IGNORECASE)
NVLINK5: Final = re.compile(r"\b(GB|B)[23]00\b")
VGPU: Final = re.compile(r"^GRID\b|-\d+[ABCQ]$")
LAPTOP: Final = re.compile(r"\b(Laptop|Mobile|Max-Q)\b|\b[GMR]TX? ?\d{3,4}M\b")
BOARD: Final = 8  # SXM GPUs of one machine; from so many on NVSwitches join them, fewer may be a part of it


class Facts(NamedTuple):
    """What is known; None and an empty host mean that nobody looked."""

    host: Host = Host()
    vendor: Vendor | None = None  # of the environment; None: whatever the host has
    variables: Mapping[str, str] | None = None  # of the process that ran the framework
    nodes: tuple[str, ...] | None = None  # device nodes where it ran
    versions: Mapping[str, str] | None = None  # of the frameworks there, by their names

    @property
    def is_host_known(self) -> bool:
        """A host was probed, or read from a file."""
        return self.host != Host()

    @property
    def rows(self) -> tuple[GpuVendor, ...]:
        """The makers that are looked at."""
        if self.vendor is not None:
            return (GPU_VENDORS[self.vendor],) if self.vendor in GPU_VENDORS else ()
        return tuple(row for row in GPU_VENDORS.values() if self.host.gpus_of(row.maker))

    @property
    def gpus(self) -> tuple[Gpu, ...]:
        """The GPUs of these makers."""
        return tuple(gpu for row in self.rows for gpu in self.host.gpus_of(row.maker))

    @property
    def drivers(self) -> tuple[Driver, ...]:
        """The loaded drivers of these makers."""
        return tuple(driver for row in self.rows if (driver := self.host.driver(row.maker)))

    @property
    def engine(self) -> Engine | None:
        """The engine that answered."""
        return self.host.engine

    def texts(self, *codes: str) -> Iterator[str]:
        """Yield what the probe said under these codes."""
        return (finding.text for finding in self.host.findings if finding.code in codes)

    def any_named(self, pattern: re.Pattern[str]) -> bool | None:
        """Tell whether a GPU has a name of this pattern; None: no name is known."""
        names = [gpu.name for gpu in self.gpus if gpu.name]
        return any(map(pattern.search, names)) if names else None


def maker_of(vendor: str) -> str:
    """Return the maker of an environment's GPUs: "nvidia" for "cuda"."""
    return Vendor(vendor).row.maker
