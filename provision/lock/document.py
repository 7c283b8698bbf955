"""The file `kgpu.lock`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Protocol

import msgspec

from provision.errors import InputError
from provision.files import read_file
from provision.model import Pin, Request, Stack, Vendor, decode
from provision.model.base import Value
from provision.model.pins import Use

LOCK_FILE = "kgpu.lock"
# What may stand unquoted in a Dockerfile; compiled when a lock is read.
_IMAGE = r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,254}"
_DIGEST = r"(sha256:[0-9a-f]{64})?"
_NUMBER = r"[0-9]+(\.[0-9]+)*"
_WORD = r"[A-Za-z0-9][A-Za-z0-9._+-]*"
_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
Hash = Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}$(?!\n)")]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$(?!\n)")]
Version = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9.!+_-]*$(?!\n)")]
File = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9.!+_-]*\.whl$(?!\n)")]


class WheelFile(Value):
    """A file on a package index."""

    file: File
    hash: Hash
    size_bytes: int | None = None  # None: its index does not tell


class Wheel(Value):
    """A distribution at an exact version, with those of its files that fit; one of them is installed."""

    name: Name
    version: Version
    files: Annotated[tuple[WheelFile, ...], msgspec.Meta(min_length=1)]


class AptPackage(Value):
    """A Debian package that was asked for. Its version is only fixed where the request gives one."""

    name: str
    version: str | None = None


class Lock(Value):
    """Everything that an image's context is made of."""

    schema: Literal["kgpu-env/lock/1"] = "kgpu-env/lock/1"
    version: str  # of kgpu-env: another one may write another Dockerfile
    catalogue: Hash  # over the YAML files, a site's own included
    plan_digest: Hash
    platform: str  # what the wheels are for: "x86_64-manylinux_2_36"
    stack: Stack
    request: Request
    wheels: tuple[Wheel, ...] = ()
    tools: tuple[Wheel, ...] = ()  # what installs them during the build and stays out of the image
    apt: tuple[AptPackage, ...] = ()


def read_lock(path: Path) -> Lock:
    """Return a lock.

    Raises:
        InputError: KGE-620, unreadable or not a lock.
    """
    fix = "write it with kgpu-env lock"
    try:
        found = decode(read_file(path), Lock)
    except OSError as error:
        raise InputError("KGE-620", f"{path} cannot be read.", cause=error.strerror or str(error), fix=fix) from error
    except msgspec.MsgspecError as error:
        raise InputError("KGE-620", f"{path} is not a lock.", cause=str(error), fix=fix) from error
    strange = _strange(found.stack)
    if found.stack.vendor is Vendor.AUTO:
        raise InputError("KGE-620", f"{path} is not a lock.", cause="its stack is made for no vendor", fix=fix)
    if strange:
        raise InputError(
            "KGE-620", f"{path} is not a lock.", cause=f"{strange!r} cannot stand in a Dockerfile", fix=fix
        )
    return found


def _strange(stack: Stack) -> str | None:
    """Return a text of the stack that could say more in a Dockerfile than it should."""
    words = {_IMAGE: [stack.base.image], _DIGEST: [stack.base.digest or ""], _NUMBER: [stack.python]}
    words |= {_WORD: [stack.framework.name, stack.framework.version, stack.runtime.name, stack.runtime.version]}
    words |= {_VARIABLE: list(stack.settings.env)}
    for pattern, texts in words.items():
        if strange := next((text for text in texts if not re.fullmatch(pattern, text, flags=re.ASCII)), None):
            return strange
    values = (*stack.settings.env.values(), *stack.packages, *stack.indexes, stack.find_links or "", stack.summary)
    return next((text for text in values if not text.isprintable()), None)


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
    return (*_pins(found.wheels, "framework"), *_pins(found.tools, "tool"))


def _pins(wheels: tuple[Wheel, ...], use: Use) -> Iterator[Pin]:
    for one in wheels:
        yield Pin(name=one.name, version=one.version, hashes=tuple(file.hash for file in one.files), use=use)
