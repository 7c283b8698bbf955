"""From a stack to a tagged image: base, Dockerfile, build, push."""

from provision.build.base import LOCAL_PREFIX, provide_base
from provision.build.image import BuildOrder, build_image

__all__ = ["LOCAL_PREFIX", "BuildOrder", "build_image", "provide_base"]
