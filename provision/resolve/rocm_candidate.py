"""What the rules for AMD GPUs look at: a build of a framework for one ROCm, on this host."""

from typing import NamedTuple

from provision.catalogue import Catalogue, rows
from provision.model import TITLES, Backend, Driver, Gpu, Request


class Facts(NamedTuple):
    """What the rules look at beside the candidate."""

    catalogue: Catalogue
    request: Request
    driver: Driver
    window: rows.AmdDriver | None  # None: no row covers the driver
    gpus: tuple[Gpu, ...]
    machine: str
    wsl: bool


class TensorFlow(NamedTuple):
    """A build of TensorFlow, as its image or as wheels on a plain base."""

    facts: Facts
    build: rows.RocmBuild
    wheel: rows.RocmWheel | None = None
    backend: Backend = "tensorflow"

    @property
    def label(self) -> str:
        """The candidate as a person would name it."""
        build = self.build
        system = f", Ubuntu {build.ubuntu}" if build.ubuntu else ""
        return f"TensorFlow {build.tensorflow}, ROCm {build.version}, Python {build.python}{system}"

    @property
    def base(self) -> str:
        """The image that the Dockerfile starts from."""
        return self.wheel.base if self.wheel else self.build.image

    @property
    def version(self) -> str:
        """The framework's version."""
        return self.build.tensorflow

    @property
    def release(self) -> str:
        """ROCm's version."""
        return self.build.version

    @property
    def python(self) -> str:
        """The Python that the base brings."""
        return self.build.python


class Keras(NamedTuple):
    """Keras on JAX or torch, as wheels on a plain base."""

    facts: Facts
    build: rows.KerasRocm
    python: str  # of the base

    @property
    def label(self) -> str:
        """The candidate as a person would name it."""
        return f"{self.build.title}, ROCm {self.release}"

    @property
    def backend(self) -> Backend:
        """What Keras runs on."""
        return self.build.backend

    @property
    def base(self) -> str:
        """The image that the Dockerfile starts from."""
        return self.build.base

    @property
    def version(self) -> str:
        """The framework's version."""
        return self.build.version

    @property
    def release(self) -> str:
        """ROCm's version."""
        return self.build.release


Candidate = TensorFlow | Keras


def framework(candidate: Candidate) -> str:
    """Return the framework's name for people."""
    return TITLES[candidate.backend]


def devices(requirement: str, gpus: tuple[Gpu, ...]) -> str:
    """Return a requirement with the extras of the GPUs in place of `device-{target}`."""
    targets = sorted({gpu.architecture or "" for gpu in gpus})
    return requirement.replace("device-{target}", ",".join(f"device-{target}" for target in targets))
