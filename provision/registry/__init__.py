"""Reading an image's configuration from its registry, without its layers."""

from provision.registry.client import RemoteImage, read_image
from provision.registry.reference import Reference, parse_reference

__all__ = ["Reference", "RemoteImage", "parse_reference", "read_image"]
