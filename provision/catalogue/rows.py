"""The shape of every row in `images/`; a value of another type or an unknown field stops the load."""

from typing import Annotated, Literal

import msgspec

from provision.model.host import Architecture, Version
from provision.model.request import TITLES, Backend
from provision.model.vendor import GPU_VENDORS, RuntimeName, architectures

Text = Annotated[str, msgspec.Meta(min_length=1)]
# In Python "$" also matches before a newline at the end, hence the look-ahead.
Number = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,9}$(?!\n)")]
Pair = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,9}\.[0-9]{1,9}$(?!\n)")]  # "9.0", "2.36"
# A GPU of a maker whose builds list them: "gfx942".
Target = Annotated[str, msgspec.Meta(pattern=architectures(row for row in GPU_VENDORS.values() if row.published))]
Date = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$(?!\n)")]
Device = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{4}$(?!\n)")]  # a PCI device id
Machine = Literal["x86_64", "aarch64"]
Month = Annotated[str, msgspec.Meta(pattern=r"^([0-9]{4}-[0-9]{2}|past)$(?!\n)")]


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every row says of itself: where it comes from, when that was read, how sure it is."""

    id: Text
    source: Text
    checked: Date
    confidence: Literal["confirmed", "inferred", "unconfirmed"] = "confirmed"
    note: str = ""


class CudaFamily(Row, frozen=True):
    """The driver that minor-version compatibility asks for, for a CUDA major version."""

    major: Version
    driver: Version
    windows: Version | None = None  # the Windows driver that WSL2 needs
    windows_source: str = ""


class CudaToolkit(Row, frozen=True):
    """The driver that ships with a CUDA toolkit."""

    version: Version
    driver: Version


class DriverBranch(Row, frozen=True):
    """The newest CUDA that the drivers of a branch report; `driver` is the branch's first known release."""

    branch: Number
    cuda: Version
    driver: Version | None = None
    eol: Month | None = None


class Capability(Row, frozen=True):
    """What a GPU of a compute capability needs, and what no longer supports it."""

    capability: Pair
    name: Text
    toolkit: Version
    driver: Version | None = None
    last_cuda: Number | None = None
    last_branch: Number | None = None
    flavour: Literal["open", "proprietary"] | None = None  # the only one of the kernel module that drives it
    flavour_source: str = ""
    xla: bool = True  # False: XLA of today's TensorFlow fails there
    tegra: bool = False  # the GPU of a Jetson board, which no wheel on PyPI serves


class ForwardCompat(Row, frozen=True):
    """A cuda-compat library: the driver API of a newer CUDA on data-centre GPUs with an older driver."""

    cuda: Version  # of the library: cuda-compat-12-9 is "12.9"
    driver: Version  # the release that the library was taken from; it serves drivers older than this one
    branches: tuple[Number, ...]  # driver branches that it runs on


class PtxIsa(Row, frozen=True):
    """The CUDA that first loads a PTX version."""

    isa: Version
    cuda: Version


class Cudnn(Row, frozen=True):
    """A cuDNN wheel and the compute capabilities it has code for."""

    version: Version
    capabilities: tuple[Pair, ...]


class CudaWheels(Row, frozen=True):
    """CUDA wheels that belong together; a package's full name is nvidia-<name>-<suffix>."""

    cuda: Version
    suffix: Literal["cu11", "cu12", "cu13"]
    packages: dict[Text, Version]


class Ptx(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """PTX in a wheel. Specific PTX (sm_90a) loads on its own capability alone.

    Attributes:
        capability: the least that it is for.
        isa: the newest version of it: what a GPU needs for which no kernel has machine code.
        specific: whether it loads on no other capability.
        partly: capabilities that a part of the kernels has machine code for: on their GPUs the driver reads the PTX of
            the others alone, whose newest version this is.
    """

    capability: Pair
    isa: Version
    specific: bool = False
    partly: dict[Pair, Version] = {}


class FrameworkRow(Row, frozen=True, kw_only=True):
    """A build of a framework that Keras runs on: the Pythons and the C library it has wheels for."""

    backend: Backend = "tensorflow"
    version: Version
    python: tuple[Version, ...]  # oldest first
    glibc: Pair
    measured: Date | None = None  # when the wheel was opened and its GPU code counted

    @property
    def title(self) -> str:
        """The framework and its version, as a person would name them."""
        return f"{TITLES[self.backend]} {self.version}"


class CudaBuild(FrameworkRow, frozen=True, kw_only=True):
    """A wheel for NVIDIA GPUs: what it was built with, and the GPU code inside."""

    cuda: Version
    cudnn: Version
    sass: tuple[Pair, ...]
    ptx: tuple[Ptx, ...]
    machines: tuple[Machine, ...] = ("x86_64",)  # whose wheels have GPU code
    oldest_cudnn: Version | None = None  # that it takes from outside; None: the one it was built with

    @property
    def ptx_versions(self) -> tuple[str, ...]:
        """Every PTX version that some GPU needs of its driver."""
        return tuple(isa for one in self.ptx for isa in (one.isa, *one.partly.values()))


class TensorFlowRelease(CudaBuild, frozen=True, kw_only=True):
    """A TensorFlow wheel on PyPI."""

    requires: tuple[Text, ...]
    newer_cuda: tuple[Version, ...] = ()  # other wheel sets it accepts, tried in this order after its own
    newer_cudnn: tuple[Version, ...] = ()
    links_needed: bool = False  # the wheel does not find the CUDA wheels by itself
    nccl: Version | None = None  # None: linked into the wheel
    cuda_wheels: bool = True  # False: it does not know NVIDIA's wheels; CUDA comes from the base image


class KerasCuda(CudaBuild, frozen=True, kw_only=True):
    """Keras on JAX or torch for NVIDIA GPUs; `packages` are what is installed, the CUDA libraries included."""

    backend: Literal["jax", "torch"]
    packages: tuple[Text, ...]


class KerasTarget(FrameworkRow, frozen=True, kw_only=True):
    """Keras on JAX or torch for GPUs that a build lists; `{target}` in a requirement stands for the GPU."""

    backend: Literal["jax", "torch"]
    series: Version  # of the runtime, whose name it has in the file
    release: Version  # of the runtime
    base: Text
    targets: tuple[Target, ...]  # GPUs that the maker names for it
    packages: tuple[Text, ...]
    indexes: tuple[Text, ...]


class KerasCpu(FrameworkRow, frozen=True, kw_only=True):
    """Keras on JAX or torch without a GPU."""

    backend: Literal["jax", "torch"]
    machines: tuple[Machine, ...]
    packages: tuple[Text, ...]
    indexes: tuple[Text, ...] = ()


class BaseImage(Row, frozen=True):
    """A plain image to start from."""

    image: Text
    family: Literal["apt", "image"]
    python: Version
    glibc: Pair
    suite: Text | None = None
    eol: Month | None = None


class CudaBase(Row, frozen=True):
    """A CUDA runtime image with cuDNN; `Requirement` has the condition under which it starts."""

    image: Text
    cuda: Version
    cudnn: Version
    python: Version
    glibc: Pair


class Requirement(Row, frozen=True):
    """NVIDIA_REQUIRE_CUDA of the images for a CUDA: its own version, or one of the branches on one of the brands."""

    image_cuda: Version
    branches: tuple[Number, ...]
    brands: tuple[Text, ...]


class Tool(Row, frozen=True):
    """A program that takes part in a build; `id` is its name on PyPI."""

    version: Version


class SameThing(Row, frozen=True):
    """Distributions that own the same files, of which one is installed; the name of the thing is the first."""

    names: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]  # in canonical form
    owns: tuple[Text, ...]  # folders of site-packages
    extras: tuple[Text, ...] = ()  # that bring GPU libraries
    framework: bool = False  # a stack decides which of them is installed, and its version


class GpuPackage(Row, frozen=True):
    """Distributions that bring libraries of a GPU runtime."""

    pattern: Text  # of the whole name, in canonical form
    vendor: RuntimeName
    major: Version | None = None  # of the runtime; None: not told by the name
    decided: Text | None = None  # pattern of those that a stack decides itself, wherever a lock has them from
    major_in_version: bool = False  # the distribution's version begins with that of the runtime


class RefusedApt(Row, frozen=True):
    """Debian packages that have no place in an image."""

    pattern: Text
    what: Text  # they are
    instead: Text  # the next step


class FrameworkIndex(Row, frozen=True):
    """A package index of a framework: where a stack brings that, it is not needed."""

    pattern: Text  # of the whole address
    brings: Text
    builds: str = ""  # pattern of what it puts behind a version, after the plus sign


class CondaName(Row, frozen=True):
    """A package of conda that has another name on PyPI, or none."""

    pattern: Text  # of the whole name
    pypi: str = ""  # its name there; empty: it is left out
    why: str = ""  # it is left out
    as_python: bool = False  # it is Python itself


class TargetDriver(Row, frozen=True):
    """A driver release and the series of the runtime that it runs."""

    release: Version
    sysfs: tuple[Version, ...]  # what /sys/module/amdgpu/version says, its first three parts
    series: tuple[Version, ...]  # of the runtime, whose name it has in the file; empty: no source tells any


class GpuTarget(Row, frozen=True):
    """A GPU target as the driver reports it."""

    target: Target
    kind: Text  # as its maker divides its products: "instinct", "radeon", "apu"
    products: Text
    kernel: Version | None = None  # the first whose own amdgpu computes well on it
    kernel_backports: tuple[Text, ...] = ()  # older kernels of a distribution that do, too: "6.14.0-1018-oem"
    kernel_reason: str = ""


class RuntimeSeries(Row, frozen=True):
    """A series of the runtime and the targets that its maker lists for it."""

    series: Version
    targets: tuple[Target, ...]
    unlisted: tuple[Target, ...] = ()  # its libraries have code for them, although the maker's table leaves them out


class WslSupport(Row, frozen=True):
    """Whether builds of a framework run below WSL2, where Windows' driver and a library of the maker stand for KFD."""

    backend: Backend
    targets: tuple[Target, ...] = ()  # GPUs that its maker names for it; empty: none, and `note` says why
    unlisted: tuple[Target, ...] = ()  # further ones on which others ran it
    since: Version = "0"  # the first series of the runtime that loads that library


class TargetWheel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A build as wheels; `{target}` in a requirement stands for the GPU."""

    base: Text
    packages: tuple[Text, ...]
    indexes: tuple[Text, ...] = ()
    find_links: Text | None = None


class TargetBuild(Row, frozen=True):
    """TensorFlow for one release of the runtime: its image, and its wheels where they are published."""

    series: Version  # of the runtime, whose name it has in the file
    version: Version  # of the runtime
    tensorflow: Version
    python: Version
    image: Text
    targets: tuple[Target, ...]
    by_name: tuple[Target, ...] = ()  # unconfirmed further ones: served only when this runtime is asked for
    ubuntu: Version | None = None  # set where it tells two builds apart
    wheel: TargetWheel | None = None


class KnownDefect(Row, frozen=True):
    """What a framework gets wrong on some GPUs with some releases of the runtime; `env` sets it right."""

    series: tuple[Version, ...]  # of the runtime
    backends: tuple[Literal["tensorflow", "jax", "torch"], ...]
    told: Text
    versions: tuple[Version, ...] = ()  # of the framework; empty: all
    targets: tuple[Target, ...] = ()  # empty: all
    env: dict[Text, Text] = {}


class Chip(Row, frozen=True):
    """An NVIDIA chip, its compute capability and its PCI device ids."""

    capability: Pair
    architecture: Text
    devices: tuple[Device, ...]


class TargetChip(Row, frozen=True):
    """The chips of a target: PCI device ids, and what the kernel's compute driver (AMD: KFD) needs to take them."""

    target: Target
    name: Text
    devices: tuple[Device, ...]
    virtual: tuple[Device, ...] = ()  # those of `devices` that are virtual functions
    virtual_compute: bool = False  # KFD takes them
    integrated: bool = False
    compute: bool = True  # False: KFD takes it in no kernel
    atomics: bool = False  # KFD wants PCIe atomics, or firmware that does without
    kernel_without: Version | None = None  # the newest kernel read that has no KFD for it
    kernel_with: Version | None = None  # the oldest that has
    driver: Version | None = None  # the first amdgpu-dkms release that drives it


class Lanes(Row, frozen=True):
    """Float32 multiply-adds that each multiprocessor or compute unit of an architecture finishes in a clock."""

    architecture: Architecture
    lanes: Annotated[int, msgspec.Meta(gt=0)]


class KnownImage(Row, frozen=True):
    """An image of another maker, known by its name."""

    name: Text
    tag: Text  # a pattern
    framework: Backend
    vendor: Literal["cpu"] | RuntimeName
    told: tuple[Text, ...] = ()
    own: bool = False
    says: str = ""


class SitePolicy(Row, frozen=True):
    """What a site allows, beside what works: never newer than `newest`, or one of the `images` only."""

    subject: Literal["tensorflow", "jax", "torch", RuntimeName, "python", "base"]
    newest: Version | None = None
    images: tuple[Text, ...] = ()


PackageKind = Literal["deb", "rpm"]
Fingerprint = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-F]{40}$(?!\n)")]


class Repository(Row, frozen=True):
    """A maker's signed package repository, and what a node needs from it."""

    maker: Text  # "nvidia", "amd", or of the engine: "docker"
    kind: PackageKind
    address: Text  # what a mirror stands in for
    path: Text  # below the address
    key: Text  # below the address
    fingerprints: Annotated[tuple[Fingerprint, ...], msgspec.Meta(min_length=1)]
    packages: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]
    distributions: tuple[str, ...] = ()  # os-release's ID, or "ID VERSION"; none: every one of the kind
    suites: tuple[str, ...] = ()  # codenames that it has; none: it asks for none
    suite: str = ""  # of apt; CODENAME stands for the machine's
    components: tuple[str, ...] = ()
    signed: Literal["metadata", "packages"] = "metadata"  # what of it dnf checks; apt checks metadata


class EnginePackages(Row, frozen=True):
    """The packages that a distribution's engine is in."""

    kind: PackageKind
    name: Literal["docker", "podman"]
    packages: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]
    distributions: tuple[str, ...] = ()
    service: str = ""  # of systemd; empty: none has to run
    repository: str = ""  # the id of the repository that has them; empty: the distribution's own
