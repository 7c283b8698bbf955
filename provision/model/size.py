"""What an image's bytes are made of."""

import re
from typing import Final, Literal

from provision.errors import InputError
from provision.model.base import Value

_DECIMAL: Final = {letter: 1000**power for power, letter in enumerate("KMGT", 1)}
_BINARY: Final = {f"{letter}I": 1024**power for power, letter in enumerate("KMGT", 1)}
_UNITS: Final = {"": 1, **_DECIMAL, **_BINARY}


class LayerSize(Value):
    """A layer, as the engine's history tells it."""

    command: str  # what made it, in short
    bytes: int


class PackageSize(Value):
    """A Python distribution in an image, by the files that its RECORD names and that are there."""

    name: str
    version: str
    bytes: int


class ImageSize(Value):
    """An image's size by layer and by package."""

    schema: Literal["kgpu-env/size/1"] = "kgpu-env/size/1"
    image: str
    bytes: int
    layers: tuple[LayerSize, ...]  # the lowest first, without those of no bytes
    packages: tuple[PackageSize, ...] = ()  # the largest first


def parse_size(text: str, origin: str = "") -> int:
    """Return the bytes of "3GB", "4.2 GiB" or "500000000".

    Args:
        text: as somebody wrote it.
        origin: who, to stand before a message: "flag --max-size: ".

    Raises:
        InputError: KGE-604, another text, or none above 0.
    """
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?)\s*(?:([KMGT]I?)?B)?", text.strip().upper(), flags=re.ASCII)
    found = int(float(match[1]) * _UNITS[match[2] or ""]) if match else 0
    if not found:
        raise InputError("KGE-604", f"{origin}{text!r} is no size.", fix="write it as 3GB, 4500MB or 4.2GiB")
    return found
