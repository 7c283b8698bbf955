"""The resolver's answer: the software that runs on the host, and why nothing newer was taken."""

from typing import Literal

import msgspec

from provision.compat import StrEnum
from provision.model.base import Value
from provision.model.request import Backend
from provision.model.vendor import Vendor


class Route(StrEnum):
    """Where the GPU runtime comes from: wheels on a plain base, or the base image itself."""

    WHEELS = "wheels"
    IMAGE = "image"


class Framework(Value):
    """A named piece of software and its version."""

    name: str
    version: str


class Base(Value):
    """The image that the Dockerfile starts from."""

    image: str
    digest: str | None = None


class Settings(Value):
    """What must be set for this stack to work on this host."""

    jit_compile: bool | Literal["auto"] = "auto"  # the argument of Keras' compile()
    env: dict[str, str] = msgspec.field(default_factory=dict)


class StackWarning(Value):
    """Something the user should know about the stack; it does not stop the build."""

    code: str
    text: str


class Rejection(Value):
    """A candidate that was better than the chosen one, and the rule that removed it."""

    candidate: str
    rule: str
    reason: str
    source: str


class Change(Value):
    """A change of driver or request, and the stack that it gives; each was found by resolving with it."""

    change: str  # "driver 555.42.02 or newer", "--tensorflow 2.14"
    gives: str  # the summary of that stack


class Stack(Value):
    """A stack that satisfies every rule for a host and a request."""

    schema: Literal["kgpu-env/stack/1"] = "kgpu-env/stack/1"
    vendor: Vendor
    route: Route
    framework: Framework
    backend: Backend = "tensorflow"
    runtime: Framework  # cuda 12.5.1, rocm 7.2, cpu
    python: str
    base: Base
    python_in_base: bool = False  # the base image brings the interpreter, and no apt package is needed
    framework_in_base: bool = False  # the base image brings TensorFlow itself (rocm/tensorflow)
    packages: tuple[str, ...] = ()  # exact requirements, in the order they are installed
    indexes: tuple[str, ...] = ()  # package indexes that the packages need beside the default one
    find_links: str | None = None  # a page of wheels, where the maker has no index
    settings: Settings = msgspec.field(default_factory=Settings)
    gpus: tuple[str, ...] = ()  # architectures that the stack was resolved for
    summary: str = ""  # one line for people
    why: str = ""  # why the nearest newer candidate was not taken; empty when this is the newest
    local_base: str | None = None  # Debian suite from which the base can be made without a registry
    warnings: tuple[StackWarning, ...] = ()
    rejected: tuple[Rejection, ...] = ()
    upgrades: tuple[Change, ...] = ()  # drivers that would give a newer framework, the oldest first
