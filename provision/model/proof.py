"""A proof: the verdict and everything that it rests on."""

from typing import Final, Literal, get_args

import msgspec

from provision.compat import StrEnum
from provision.model.base import Value
from provision.model.stack import Stack

Level = Literal["quick", "standard", "soak"]  # how much is tried, from little to much
LEVELS: Final[tuple[Level, ...]] = get_args(Level)


class Verdict(StrEnum):
    """`proved` is only ever said of a training that demonstrably ran on the GPU asked for."""

    PROVED = "proved"
    CPU = "cpu"
    NOT_PROVED = "not-proved"
    INVALID = "invalid"


class Status(StrEnum):
    """The outcome of one check."""

    PASS = "pass"  # noqa: S105 - an outcome, not a password
    FAIL = "fail"
    WARN = "warn"
    SKIP = "skip"
    UNKNOWN = "unknown"


class Check(Value):
    """One named witness."""

    name: str
    status: Status
    detail: str


class Training(Value):
    """The training whose device is in question."""

    losses: tuple[float, ...] = ()
    seconds: float | None = None


class LibraryRow(Value):
    """What a GPU library was seen to do on a device."""

    name: str  # matmul, conv2d, lstm, fft, solver, sparse, xla, mixed precision, collective
    device: str
    state: Literal["works", "wrong", "missing", "slow", "not asked"]
    detail: str
    seconds: float | None = None


class Speed(Value):
    """How fast a device multiplies matrices in float32, in floating-point operations per second."""

    device: str  # "GPU:0"
    flops: float
    cpu_flops: float  # the CPU's beside it
    peak_flops: float | None = None  # the most that it can compute; None where a part of that is not known


class Origin(Value):
    """Who made a proof, where, when and how: what a report must say by itself."""

    node: str  # the host's name, or with --anonymous a name made from it
    at: str  # when it ended, ISO 8601, UTC
    kernel: str = ""
    architecture: str = ""
    distribution: str = ""
    drivers: tuple[str, ...] = ()  # "NVIDIA 580.95.05 (open)"
    gpus: tuple[str, ...] = ()  # of the host, in PCI order: "NVIDIA H100 80GB HBM3, sm_90, 0000:17:00.0"
    engine: str = ""  # "docker 28.5.2"; empty without a container
    options: dict[str, str] = msgspec.field(default_factory=dict)  # as they were settled, by name
    tool: str = ""  # "kgpu-env 0.1.0"


class ProvedDevice(Value):
    """A device that the framework listed inside the container."""

    name: str  # the framework's name: /device:GPU:0
    description: str = ""
    architecture: str | None = None
    pci: str | None = None
    uuid: str | None = None
    memory_bytes: int | None = None  # as the framework tells it, which may keep to a part
    total_bytes: int | None = None  # as the driver library tells it
    node: str | None = None  # its own device node, which tells partitions of a card apart: "/dev/dri/renderD129"


class ExpectedDevice(Value):
    """A device that was asked for."""

    name: str  # the product, as the host names it; "GPU 1" where the host does not know it
    uuid: str | None = None
    pci: str | None = None
    partition: str | None = None  # "1g.10gb", "CPX"
    seen: bool | None = None  # the framework listed it inside; None: neither side names an address to tell by

    @property
    def label(self) -> str:
        """The shortest that tells it from the others: "MIG-... (1g.10gb)"."""
        name = self.uuid or self.pci or self.name or "a GPU"
        return f"{name} ({self.partition})" if self.partition else name


class Proof(Value):
    """The judge's answer about one image on one host."""

    schema: Literal["kgpu-env/proof/1"] = "kgpu-env/proof/1"
    verdict: Verdict
    reason: str
    code: str = ""  # KGE-5xx for a verdict with a known cause
    fix: str = ""
    seen: str = ""  # the message or detail from which the cause was recognised
    backend: str = "tensorflow"
    image: str = ""
    image_id: str = ""
    interpreter: str = ""  # the Python of a proof without a container
    requested: str = ""  # the device asked for: "cuda GPU 0", "cpu"
    expected: tuple[ExpectedDevice, ...] = ()  # every device asked for, seen or missing
    devices: tuple[ProvedDevice, ...] = ()
    checks: tuple[Check, ...] = ()
    training: Training = msgspec.field(default_factory=Training)
    reference: Training = msgspec.field(default_factory=Training)  # the same training on the CPU beside it
    libraries: tuple[LibraryRow, ...] = ()
    speeds: tuple[Speed, ...] = ()  # of the devices asked for, where the level measures them
    level: Level = "standard"
    stack: Stack | None = None  # as the image's label tells it
    versions: dict[str, str] = msgspec.field(default_factory=dict)
    seconds: float | None = None  # the whole verification, container start included
    spent: dict[str, float] = msgspec.field(default_factory=dict)  # seconds inside, of the first run: see `judge`
    log: tuple[str, ...] = ()  # the last lines the framework wrote, oldest first
    origin: Origin | None = None  # None: judged, and not yet said of a host
