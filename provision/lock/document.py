"""The file `kgpu.lock`."""

from collections.abc import Iterator
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec.structs import replace

from provision.model import Pin, Request, Stack
from provision.model.base import Value
from provision.model.pins import INDEX, Use

LOCK_FILE = "kgpu.lock"  # stack and base; the wheels are in the file beside it
PYLOCK_FILE = "pylock.toml"
Hash = Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}$(?!\n)")]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$(?!\n)")]
Version = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9.!+_-]*$(?!\n)")]
File = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9.!+_-]*\.(whl|tar\.gz|zip|tar\.bz2|tgz)$(?!\n)")]
Origin = Annotated[str, msgspec.Meta(pattern=r"^(index|([a-z]+\+)?[a-z]+://[\x21\x23-\x26\x28-\x5b\x5d-\x7e]+)$(?!\n)")]


class WheelFile(Value):
    """A file on a package index."""

    file: File
    hash: Hash
    size_bytes: int | None = None  # None: its index does not tell
    url: str | None = None  # the same


class Wheel(Value):
    """A distribution at an exact version, with those of its files that fit; one of them is installed.

    Where no wheel fits it is a source archive, which is built in the image.
    """

    name: Name
    version: Version
    files: tuple[WheelFile, ...]  # none: a commit of a repository
    origin: Origin = INDEX  # or its own address: "git+https://host/x@0123"
    use: Use = "framework"

    def __post_init__(self) -> None:
        """Refuse what could be any file."""
        if self.origin == INDEX and not self.files:
            raise ValueError(f"{self.name} has no file")


class AptPackage(Value):
    """A Debian package that was asked for. Its version is only fixed where the request gives one."""

    name: str
    version: str | None = None


class DebianFile(Value):
    """A Debian package as a file: https://www.debian.org/doc/debian-policy/ch-controlfields.html."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9+.-]+$(?!\n)")]
    version: Annotated[str, msgspec.Meta(pattern=r"^[0-9][A-Za-z0-9.+:~-]*$(?!\n)")]
    architecture: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]+$(?!\n)")]
    hash: Hash


class Lock(Value):
    """Everything that an image's context is made of."""

    schema: Literal["kgpu-env/lock/1"] = "kgpu-env/lock/1"
    version: str  # of kgpu-env: another one may write another Dockerfile
    catalogue: Hash  # over the YAML files, a site's own included
    plan_digest: Hash
    platform: str  # what the wheels are for: "x86_64-manylinux_2_36"
    stack: Stack
    request: Request
    pylock: Hash | None = None  # of the pylock.toml beside it, which has the wheels; None: there is none
    wheels: tuple[Wheel, ...] = ()  # in the file itself none, or those of a lock without a pylock.toml
    tools: tuple[Wheel, ...] = ()  # what installs them during the build and stays out of the image
    apt: tuple[AptPackage, ...] = ()
    debian: tuple[DebianFile, ...] = ()  # all that apt puts in, as it was when `bundle` fetched it first; before, none


class Wheels(Protocol):
    """What names wheels: a lock, and what one is made of."""

    @property
    def wheels(self) -> tuple[Wheel, ...]:
        """What is in the image."""

    @property
    def tools(self) -> tuple[Wheel, ...]:
        """What puts it there."""


def pins(found: Wheels) -> tuple[Pin, ...]:
    """Return what a build needs of a lock."""
    return (*_pins(found.wheels), *(replace(one, use="tool") for one in _pins(found.tools)))


def _pins(wheels: tuple[Wheel, ...]) -> Iterator[Pin]:
    for one in wheels:
        hashes = tuple(file.hash for file in one.files)
        size = min((file.size_bytes or 0 for file in one.files), default=0) or None
        yield Pin(name=one.name, version=one.version, hashes=hashes, origin=one.origin, use=one.use, size_bytes=size)
