"""What the user asks for, from flags, environment and project file together."""

from typing import Final, Literal

import msgspec

from provision.model.base import Value
from provision.model.vendor import Vendor

Backend = Literal["tensorflow", "jax", "torch"]
TITLES: Final[dict[Backend, str]] = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "torch"}  # for people


class User(Value):
    """The account that the image runs as."""

    name: str = "keras"
    uid: int = 1000
    gid: int = 1000


class Network(Value):
    """How a build reaches package indexes and registries; nothing of it stays in the image."""

    ca_bundle: str | None = None  # path of a PEM file on this host
    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    proxy: str | None = None
    registries: dict[str, str] = msgspec.field(default_factory=dict)  # "docker.io" -> "mirror.example:5000"


class Request(Value):
    """One wish for an environment. Empty fields leave the choice to the resolver."""

    vendor: Vendor = Vendor.AUTO
    fallback: Literal["cpu"] | None = None
    tensorflow: str | None = None  # "2.21" or "2.21.0"
    python: str | None = None  # "3.11"
    base: str | None = None  # an image reference of the catalogue
    cuda: str | None = None
    rocm: str | None = None
    backend: Backend | None = None
    packages: tuple[str, ...] = ()  # PEP 508 requirements
    apt: tuple[str, ...] = ()  # Debian package names
    user: User = msgspec.field(default_factory=User)
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    env: dict[str, str] = msgspec.field(default_factory=dict)
