"""What a proof is held against: the device asked for and what the host says about it."""

from typing import Any

import msgspec

from provision.model import TITLES, Backend, Gpu, Host, Level, Severity, Value, Vendor, selection


class Expectation(Value):
    """What the evidence must show."""

    vendor: Vendor  # cuda, rocm or cpu; never auto
    indices: tuple[int, ...] = ()  # the framework's indices inside; empty: one for each of `gpus`, or all it lists
    gpus: tuple[Gpu, ...] = ()  # the host's GPUs that were asked for; empty when the host tells nothing
    host_has_gpu: bool = True  # a GPU of that vendor with its driver loaded
    host_reason: str = ""  # why not, in the host's own findings
    versions: dict[str, str] = msgspec.field(default_factory=dict)  # what the image's labels promise
    backend: Backend = "tensorflow"
    here: bool = False  # no image and no container: the environment that this process is in
    level: Level = "standard"
    host: Host = Host()  # for the cause of a message, which may depend on it
    # Float32 multiply-adds in each clock and compute unit, by architecture: "sm_90", "gfx942".
    lanes: dict[str, int] = msgspec.field(default_factory=dict)
    handed_in: bool = True  # the container was given a GPU; without one nobody hands anything in
    boot_id: str = ""  # of this machine's running kernel; empty: not known
    engine: str = ""  # the engine that ran it, in words; empty: not known
    epochs: int = 6  # of each training
    seed: int = 20  # of its data and first weights
    minutes: float = 0.0  # how long each device soaks
    sent: dict[str, Any] = msgspec.field(default_factory=dict)  # what the workload was sent; empty: not known

    @property
    def framework(self) -> str:
        """The framework's name for people."""
        return TITLES[self.backend]

    @property
    def subject(self) -> str:
        """What is to be proved, in words."""
        return "this environment" if self.here else "the image"

    @property
    def inside(self) -> str:
        """Where the workload runs, in words."""
        return "here" if self.here else "inside the container"

    @property
    def parts(self) -> tuple[str, ...]:
        """What the workload does beyond the trainings; the CPU has nothing to be compared with."""
        if self.vendor is Vendor.CPU:
            return ()
        quick = ("reference", "product")
        return quick if self.level == "quick" else (*quick, "profile", "speed", "libraries")

    @property
    def requested(self) -> str:
        """The devices asked for, in words: "cuda GPU 0, 1", "cuda MIG-... (1g.10gb)"."""
        if self.vendor is Vendor.CPU:
            return "cpu"
        if any(gpu.partition for gpu in self.gpus):
            return f"{self.vendor} {', '.join(map(_label, self.gpus))}"
        if not self.indices:
            return f"{self.vendor} GPUs, every one that is shown {'here' if self.here else 'inside'}"
        return f"{self.vendor} GPU {', '.join(map(str, self.indices))}"


def _label(gpu: Gpu) -> str:
    name = gpu.uuid or gpu.pci or gpu.name or "a GPU"
    return f"{name} ({gpu.partition})" if gpu.partition else name


def host_state(host: Host, vendor: Vendor) -> tuple[bool, str]:
    """Return whether the host has a usable GPU of `vendor`, and why not."""
    if not vendor.maker:
        return True, ""
    name = vendor.gpu or ""
    found = host.gpus_of(name)
    through_windows = host.wsl and any(node.path == "/dev/dxg" for node in host.nodes)
    if through_windows or (host.usable_of(name) and host.driver(name)):
        return True, ""
    if found and not host.usable_of(name) and host.driver(name):
        return False, f"no {vendor.maker} GPU of this host is usable ({found[0].pci or 'a GPU'}: {found[0].unusable})"
    if found:
        errors = [finding.text for finding in host.findings if finding.severity is Severity.ERROR]
        more = f" ({errors[0].rstrip('.')})" if errors else ""
        return False, f"the {vendor.maker} driver is not loaded on this host{more}"
    places = f" (looked at {', '.join(host.looked_at)})" if host.looked_at else ""
    return False, f"no {vendor.maker} device on this host{places}"


def select(host: Host, vendor: Vendor, gpus: str) -> tuple[tuple[int, ...], tuple[Gpu, ...]]:
    """Return the framework's indices inside the container and the host's GPUs that `gpus` names.

    Args:
        host: the host, in whose PCI order the numbers count.
        vendor: cuda or rocm; for cpu the answer is one index and no GPU.
        gpus: "all", or names as `selection.select` takes them. Inside, the chosen ones count from 0.

    Raises:
        UsageError: KGE-306, a name of no usable GPU.
    """
    if vendor is Vendor.CPU:
        return (0,), ()
    if not host.gpus_of(vendor.row.maker):  # nothing is known of them
        return tuple(range(len(set(gpus.split(","))))) if gpus != "all" else (), ()
    chosen = tuple(gpu for _, gpu in selection.select(host, vendor.row.maker, gpus))
    return tuple(range(len(chosen))), chosen
