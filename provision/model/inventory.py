"""What is in an image that was built here, as it was found inside."""

from typing import Literal

import msgspec

from provision.model.base import Value
from provision.model.stack import Stack


class Distribution(Value):
    """A Python distribution that is installed."""

    name: str
    version: str
    source: str = ""  # where code or an address was installed from (PEP 610); empty for what an index had


class DebianPackage(Value):
    """A package that dpkg has as installed."""

    name: str
    version: str
    architecture: str


class PinnedFile(Value):
    """A line of the image's requirements files."""

    name: str
    version: str  # empty where the line names an address, or does not pin
    hashes: tuple[str, ...] = ()
    layer: str = ""  # "framework", "packages": the name of its file


class Inventory(Value):
    """All that is installed, and what was to be."""

    system: str = ""  # ID of os-release: "debian"
    python: tuple[Distribution, ...] = ()
    debian: tuple[DebianPackage, ...] = ()
    pins: tuple[PinnedFile, ...] = ()


class Difference(Value):
    """What is installed otherwise than it was pinned."""

    name: str
    pinned: str  # empty: not at all
    installed: str  # the same


class Inspection(Value):
    """What an image of this tool tells of itself, and what is in it now."""

    schema: Literal["kgpu-env/inspect/1"] = "kgpu-env/inspect/1"
    image: str
    image_id: str
    version: str  # of kgpu-env
    plan_digest: str
    stack: Stack
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    locked: bool  # every package was pinned by its hash
    inventory: Inventory
    drift: tuple[Difference, ...] = ()
    sbom: str | None = None  # the file that it was written to
