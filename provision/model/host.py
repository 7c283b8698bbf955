"""A host: what is on the PCI bus, which drivers are loaded, which engine answers."""

from typing import Annotated, Final, Literal

import msgspec

from provision.compat import StrEnum
from provision.model.base import Value
from provision.model.vendor import GPU_VENDORS, Maker, architectures
from provision.model.version import VERSION

Architecture = Annotated[str, msgspec.Meta(pattern=architectures(GPU_VENDORS.values()))]
# Processors as registries name them, and as kernels, engines and wheels do.
MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}
PLATFORMS: Final = {f"linux/{name}": machine for name, machine in MACHINES.items()}
UNSEEN_GPU: Final = "KGE-117"  # of a finding: where a GPU would show could not be read
Version = Annotated[str, msgspec.Meta(pattern=rf"^{VERSION}$(?!\n)")]


class Severity(StrEnum):
    """How much a finding matters: an error stops the GPU from being used."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Finding(Value):
    """Something that a person should know about the host, with its fix."""

    code: str
    severity: Severity
    text: str
    fix: str = ""


class DeviceNode(Value):
    """A character device that a container needs, with its owner as numbers."""

    path: str
    gid: int | None = None
    mode: int | None = None  # permission bits, e.g. 0o660


class Gpu(Value):
    """One GPU, or one partition of it (a MIG slice, an XCP of a CPX-mode Instinct)."""

    vendor: Maker
    name: str | None = None
    architecture: Architecture | None = None  # "sm_90" or "gfx942"; None when nothing on the host tells
    uuid: str | None = None  # AMD: all partitions of a card have the card's
    pci: str | None = None  # "0000:17:00.0"
    device_id: str | None = None  # of the PCI function, four hex digits: "2330"
    memory_bytes: int | None = None
    partition: str | None = None  # "1g.10gb", "CPX"; None for a whole GPU
    memory_partition: str | None = None  # AMD, of a partitioned card: "NPS4"; None when nothing on the host tells
    kernel_driver: str | None = None  # nvidia, nouveau, vfio-pci, amdgpu; None when unbound
    usable: bool = True  # its driver drives it, so that a container can compute on it
    unusable: str = ""  # why not, in words, with the finding's code
    kfd_node: int | None = None  # AMD: the number of its KFD node; ROCr counts its GPUs in this order
    integrated: bool = False
    compute_units: int | None = None  # AMD, of this partition; NVIDIA's driver library tells it inside a container
    clock_mhz: int | None = None  # AMD: the highest that the GPU computes at
    nodes: tuple[DeviceNode, ...] = ()  # this GPU's own nodes; shared ones are in Host.nodes


class Driver(Value):
    """A GPU kernel driver that is loaded now."""

    vendor: Maker
    # NVIDIA: 580.95.05; AMD: the first three numbers of /sys/module/amdgpu/version, None for the inbox driver.
    version: Version | None = None
    release: Version | None = None  # AMD: the release that the version stands for, "30.30"
    flavour: Literal["open", "proprietary", "dkms", "inbox", "wsl"] | None = None
    cuda: Version | None = None  # the newest CUDA that the driver itself reports
    # WSL2: its folders in Windows' driver store, of which each version has one of its own, and its library's digest
    store: tuple[str, ...] = ()


class Toolkit(Value):
    """A container toolkit found on the host."""

    name: str  # nvidia-container-toolkit, amd-container-toolkit
    path: str
    version: str | None = None


class Engine(Value):
    """The container engine that answered."""

    name: Literal["docker", "podman"]
    version: str
    api_version: str = ""
    storage: str = ""
    architecture: str = ""  # as the engine names it: x86_64, aarch64
    cdi: tuple[str, ...] = ()  # fully qualified CDI device names: nvidia.com/gpu=all
    cdi_dirs: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ()
    rootless: bool = False
    buildkit: bool = True
    address: str = ""  # unix:///var/run/docker.sock
    id: str = ""  # its own, made at its installation
    machine: str = ""  # the name of the machine that it runs on
    system: str = ""  # of that machine: "Debian GNU/Linux 12", "Docker Desktop"
    data_root: str = ""  # its own folder there: /var/lib/docker
    own_files: bool = False  # its process was seen to have another /usr than this host

    @property
    def is_desktop(self) -> bool:
        """Whether it is Docker Desktop's, which runs on a machine of its own."""
        return "desktop" in self.system.lower()

    @property
    def place(self) -> str:
        """Where it is, as far as it tells: its address, and the machine."""
        return f"{self.address}, which is {self.machine}" if self.machine else self.address


class Host(Value):
    """Everything that a probe found; `probe --json` prints it and `--host FILE` reads it."""

    schema: Literal["kgpu-env/host/1"] = "kgpu-env/host/1"
    gpus: tuple[Gpu, ...] = ()
    drivers: tuple[Driver, ...] = ()
    wsl: bool = False
    engine: Engine | None = None
    toolkits: tuple[Toolkit, ...] = ()
    nodes: tuple[DeviceNode, ...] = ()  # shared by all GPUs of a vendor: /dev/nvidiactl, /dev/kfd
    architecture: str = "x86_64"
    kernel: str | None = None
    distribution: str | None = None  # "debian 12"
    podman: bool = False  # the engine to expect where none answered: Podman's program, or the distribution's own choice
    selinux: bool = False  # it is enforcing, as far as files or the distribution tell
    findings: tuple[Finding, ...] = ()
    looked_at: tuple[str, ...] = ()  # the places a probe looked for GPUs, for the message when there is none

    @property
    def uses_podman(self) -> bool:
        """Whether containers are Podman's: the engine that answered, or else the one to expect."""
        return self.engine.name == "podman" if self.engine else self.podman

    @property
    def rootless(self) -> bool:
        """Whether containers belong to who starts them, who is root inside; a Podman that did not answer is so."""
        return self.engine.rootless if self.engine else self.podman

    def driver(self, vendor: str) -> Driver | None:
        """Return the loaded driver of `vendor` ("nvidia" or "amd"), or None."""
        return next((driver for driver in self.drivers if driver.vendor == vendor), None)

    def gpus_of(self, vendor: str) -> tuple[Gpu, ...]:
        """Return the GPUs of `vendor`, in PCI order, also those that nothing drives."""
        return tuple(gpu for gpu in self.gpus if gpu.vendor == vendor)

    def usable_of(self, vendor: str) -> tuple[Gpu, ...]:
        """Return the GPUs of `vendor` that are driven, in PCI order."""
        return tuple(gpu for gpu in self.gpus_of(vendor) if gpu.usable)

    def chosen_of(self, vendor: str) -> tuple[Gpu, ...]:
        """Return the GPUs of `vendor` that work is done on unless others are named.

        They are the usable ones; an integrated GPU only where there is no card: a process that is shown both may take
        the wrong one.
        """
        usable = self.usable_of(vendor)
        return tuple(gpu for gpu in usable if not gpu.integrated) or usable
