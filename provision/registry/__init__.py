"""Reading an image's configuration from its registry, without its layers."""

from provision.registry.client import RemoteImage, read_image

__all__ = ["RemoteImage", "read_image"]
