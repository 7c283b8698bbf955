"""An image's configuration from its registry, without its layers; and what is attached to an image there."""

from provision.registry.client import RemoteImage, read_image
from provision.registry.referrers import Artifact, attach

__all__ = ["Artifact", "RemoteImage", "attach", "read_image"]
