"""What the rules look at: a build of a framework, with a GPU runtime, on a base image, for a class of hosts."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from msgspec import Struct

from provision.catalogue import Catalogue, rows
from provision.catalogue.drives import NotDriven
from provision.model import RUNTIMES, TITLES, Backend, Driver, DriverVersion, Gpu, Host, Request, Vendor
from provision.resolve.rule_names import RuleName


class Wishes(NamedTuple):
    """What a request says about the stack itself: versions, a backend, a base image. Nothing else of it changes it.

    Each is called by its option; without any, it is false in all of its parts.
    """

    tensorflow: str | None = None
    backend: Backend | None = None
    python: str | None = None
    base: str | None = None
    runtimes: tuple[tuple[str, str], ...] = ()  # of each vendor's runtime the version; its option is the vendor's name

    def runtime(self, vendor: str) -> str | None:
        """Return the version asked for of a vendor's runtime."""
        return next((version for name, version in self.runtimes if name == vendor), None)

    def of(self, option: str) -> str | None:
        """Return what is asked for by an option."""
        return self.runtime(option) if option in RUNTIMES else getattr(self, option)

    @property
    def asked(self) -> dict[str, str]:
        """What is asked for, by option."""
        own = {name: value for name, value in self._asdict().items() if name != "runtimes" and value is not None}
        return {**own, **dict(self.runtimes)}

    def having(self, **values: str | None) -> "Wishes":
        """Return the wishes with others in place of some."""
        found = {**self.asked, **values}
        runtimes = tuple((name, version) for name in RUNTIMES if (version := found.pop(name, None)) is not None)
        return Wishes(**found, runtimes=runtimes)  # type: ignore[arg-type] # a backend is a str here


def wishes_of(request: Request) -> Wishes:
    """Return what a request says about the stack itself."""
    own = ("tensorflow", "backend", "python", "base", *RUNTIMES)
    return Wishes().having(**{name: getattr(request, name) for name in own})


class Facts(Struct, frozen=True):
    """A class of hosts for one vendor, and what is asked for. What does not apply to a vendor is empty."""

    catalogue: Catalogue
    vendor: Vendor
    wishes: Wishes
    architecture: str  # of the processor, as the host names it
    machine: str  # the same as wheels name it: x86_64, aarch64
    wsl: bool = False
    gpus: tuple[Gpu, ...] = ()  # each kind once, all of a known architecture; empty for the CPU
    driver: Driver | None = None
    undriven: tuple[Gpu, NotDriven] | None = None  # the first of them that the driver cannot drive
    version: DriverVersion | None = None  # where drivers are compared by version
    cuda: str = "0"  # the newest CUDA that the driver reports
    capabilities: tuple[rows.Capability | None, ...] = ()  # one for each of `gpus`
    window: rows.TargetDriver | None = None  # the releases of the runtime that the driver runs

    @property
    def targets(self) -> tuple[str, ...]:
        """The GPUs' architectures, each once."""
        return tuple(sorted({gpu.architecture or "" for gpu in self.gpus}))


class Image(Struct, frozen=True):
    """An image to start from: a plain one, one that brings the GPU runtime, or one with the framework in it."""

    image: str
    python: str
    source: str
    glibc: str | None = None  # None: not known
    suite: str | None = None  # of Debian, from which the image can be made without a registry
    has_python: bool = False  # it brings the interpreter, and no apt package is needed
    has_framework: bool = False
    row: rows.CudaBase | None = None  # of an image that brings the runtime
    requirement: rows.Requirement | None = None  # the condition under which that one starts


class Runtime(Struct, frozen=True):
    """A release of the GPU runtime for a build; nothing of it applies to the CPU."""

    version: str = ""
    series: str = ""  # by which the tables of drivers name it; empty where a driver is new enough or not
    floor: rows.CudaFamily | None = None  # the driver that it needs at least
    supports: rows.RuntimeSeries | None = None  # the GPUs that the runtime itself lists, of a series
    partitions: tuple[str, str] | None = None  # the first release that sees the partitions of a GPU, and the source
    cudnn: str = ""
    cudnn_row: rows.Cudnn | None = None
    wheels: rows.CudaWheels | None = None  # what is installed of it beside the framework
    image: Image | None = None  # which brings it; such an image has to be asked for
    in_base: bool = False  # the base brings it

    @property
    def base(self) -> rows.CudaBase | None:
        """The row of the image that brings it."""
        return self.image.row if self.image else None


class Build(Struct, frozen=True):
    """A published build of a framework: the one shape for the rows of all tables. What does not apply is empty."""

    row: rows.Row  # whose source, confidence and note hold
    vendor: Vendor
    backend: Backend
    version: str
    runtimes: tuple[Runtime, ...]  # its own first, then others that it accepts, in the order of preference
    python: tuple[str, ...]  # oldest first
    glibc: str | None
    summary: str  # a stack in one line; fields: framework, runtime, cudnn, python, base
    named_by: tuple[tuple[str, str], ...] = ()  # options with values that name it; the last one decides
    label_end: str = ""  # what tells it apart from others of the same versions
    machines: tuple[str, ...] = ()  # processors that it is published for; empty: any
    machines_told: tuple[str, str] = ("", "")  # the reason with {machines} and {machine}, and its source
    wsl: rows.WslSupport | None = None  # what is known of it below WSL2, of builds that list their GPUs
    targets: tuple[str, ...] | None = None  # GPUs that it accepts; None: its code decides
    by_name: tuple[
        str, ...
    ] = ()  # those of them that are unconfirmed: it serves them only when it is asked for by name
    sass: tuple[str, ...] = ()  # compute capabilities with machine code
    ptx: tuple[rows.Ptx, ...] = ()
    built_with: tuple[str, str] | None = None  # CUDA and cuDNN, which other ones have to be able to replace
    needs_image: bool = False  # it finds its runtime in a base image alone
    image: Image | None = None  # the one that it is published as or for; None: any plain one
    packages: tuple[str, ...] = ()  # `{target}` stands for a GPU
    nccl: str | None = None  # None: linked into the wheel
    links_needed: bool = False  # the wheel does not find its runtime's wheels by itself
    indexes: tuple[str, ...] = ()
    find_links: str | None = None

    @property
    def title(self) -> str:
        """The framework and its version, as a person would name them."""
        return f"{TITLES[self.backend]} {self.version}"


class Candidate(Struct, frozen=True, gc=False):
    """One way to get a framework onto the hosts: build x runtime x base."""

    facts: Facts
    build: Build
    runtime: Runtime
    image: Image | None = None  # None: not chosen yet; what looks at it is asked later

    @property
    def label(self) -> str:
        """The candidate as a person would name it."""
        build = self.build
        if not self.runtime.version:
            return build.title
        return f"{build.title}, {build.vendor.row.runtime_title} {self.runtime.version}{build.label_end}"

    @property
    def doubted(self) -> tuple[str, ...]:
        """Those of the hosts' GPUs that the build serves only when it is asked for by name."""
        return tuple(one for one in self.facts.targets if one in self.build.by_name)

    @property
    def base(self) -> Image:
        """The image to start from.

        Raises:
            ValueError: it is not chosen yet.
        """
        if self.image is None:
            raise ValueError(f"{self.label} has no base yet")
        return self.image


class Knowledge(Struct, frozen=True):
    """What resolving has to know of a vendor. No field has a default: a row that lacks one fails at import time."""

    builds: Callable[[Catalogue, Backend], tuple[Build, ...]]  # the preferred first
    on_base: Callable[[Catalogue, Build, str], Build]  # as it is on a base that is asked for
    packages: Callable[[Candidate], tuple[str, ...]]  # what is installed, exact requirements
    libraries: Callable[[Candidate], tuple[str, ...]]  # folders of site-packages that the loader does not find
    complete: Callable[[Facts], Facts]  # adds what follows from the driver and the GPUs
    driver_name: Callable[[Driver], str]  # as an error tells it
    needs_version: bool  # of the driver: without it nothing can be said
    tool: str  # tells the architecture of a GPU; empty: the driver itself does
    wsl_told: tuple[str, str]  # why WSL2 may not tell the architecture, and the next step
    newer_drivers: Callable[[Catalogue, Host, Driver], list[Driver]]  # the oldest first
    older_drivers: Callable[[Catalogue, Driver], list[Driver]]  # one of each branch, the newest first
    branch_of: Callable[[Catalogue, Driver], rows.DriverBranch | None]  # whose support ends
    images: Callable[[Catalogue], tuple[rows.CudaBase, ...]]  # that bring the runtime, the preferred first
    hosts: Callable[[Catalogue], Iterable[tuple[str, str, Host]]]  # driver, product, host: every driver and GPU
    requested: RuleName | None  # broken by another version of the runtime than was asked for
    supports: RuleName | None  # broken by a GPU that the runtime itself does not list
