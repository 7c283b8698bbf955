"""What stands first in a bundle: `bundle.json`, which names every other part with its size and its hash."""

from typing import Annotated, Final, Literal

import msgspec

from provision.model.base import Value

HEAD: Final = "bundle.json"
BUNDLE_FILE: Final = "kgpu-env-bundle.tar"
# Read before the rest: what a plan is made of.
FIRST: Final = ("kgpu.lock", "pylock.toml", "Dockerfile")
# One word, or several below each other: no part leads out of its folder, and none begins with a dot.
_WORD = r"[A-Za-z0-9_][A-Za-z0-9_.+!-]{0,200}"
Path = Annotated[str, msgspec.Meta(pattern=rf"^{_WORD}(/{_WORD}){{0,5}}$(?!\n)")]
Number = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
Identity = Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}$(?!\n)")]


class Part(Value):
    """A file of a bundle."""

    path: Path
    bytes: Annotated[int, msgspec.Meta(ge=0)]
    sha256: Number


class Bundle(Value):
    """The contents of a bundle."""

    schema: Literal["kgpu-env/bundle/1"] = "kgpu-env/bundle/1"
    version: str  # of kgpu-env
    platform: str  # as of the lock: "x86_64-manylinux_2_36"
    tag: str  # the image's name where no other is given
    base: str  # what the base is called where the bundle was made
    base_id: Identity  # of its configuration, in `base/`
    image_id: Identity | None = None  # the same of the finished image, in `image/`
    parts: tuple[Part, ...]
