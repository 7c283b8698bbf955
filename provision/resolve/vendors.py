"""The vendors, one row each, and their builds and the plain base images in one shape, made once for a catalogue."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from provision.catalogue import Catalogue
from provision.model import GPU_VENDORS, Backend, Vendor, version_key
from provision.resolve.candidate import Build, Image, Knowledge
from provision.resolve.cpu import CPU
from provision.resolve.listed import LISTED
from provision.resolve.nvidia import NVIDIA

# In the order of preference. JAX before torch: XLA compiles a model for the GPU that it finds, as with TensorFlow.
BACKENDS: Final[tuple[Backend, ...]] = ("tensorflow", "jax", "torch")
ALTERNATIVES: Final = BACKENDS[1:]

KNOWLEDGE: Final[Mapping[Vendor, Knowledge]] = {Vendor.CUDA: NVIDIA, **LISTED, Vendor.CPU: CPU}
if lacking := set(GPU_VENDORS) - set(KNOWLEDGE):
    raise TypeError(f"resolve knows nothing of {', '.join(sorted(lacking))}: KNOWLEDGE needs a row for each vendor")


@lru_cache(maxsize=64)
def builds_of(catalogue: Catalogue, vendor: Vendor, backend: Backend, base: str | None) -> tuple[Build, ...]:
    """Return the builds of a framework for a vendor, the preferred first, as they are on a base that is asked for."""
    if base is None:
        return KNOWLEDGE[vendor].builds(catalogue, backend)
    return tuple(
        KNOWLEDGE[vendor].on_base(catalogue, build, base) for build in builds_of(catalogue, vendor, backend, None)
    )


@lru_cache(maxsize=8)
def plain_images(catalogue: Catalogue, backend: Backend) -> tuple[Image, ...]:
    """Return the plain images, the preferred first: as they stand in the file for TensorFlow.

    The others come by the newest Python: JAX drops the old ones soon.
    """
    found = catalogue.images.bases
    if backend != "tensorflow":
        found = tuple(sorted(found, key=lambda base: version_key(base.python), reverse=True))
    return tuple(
        Image(row.image, row.python, row.source, row.glibc, row.suite, has_python=row.family == "image")
        for row in found
    )


def runtime_images(catalogue: Catalogue, vendor: Vendor, version: str | None) -> list[str]:
    """Return the images that bring a runtime for the TensorFlow `version` (None: any) that finds it nowhere else."""
    builds = builds_of(catalogue, vendor, "tensorflow", None)
    wanted = [build for build in builds if build.needs_image and matches(build.version, version)]
    majors = {build.runtimes[0].version.split(".")[0] for build in wanted}
    return [row.image for row in KNOWLEDGE[vendor].images(catalogue) if row.cuda.split(".")[0] in majors]


def matches(version: str, asked: str | None) -> bool:
    """Tell whether `version` is what was asked for: "2.21.0" is a "2.21" and a "2.21.0", not a "2.2"."""
    return asked is None or version.split(".")[: asked.count(".") + 1] == asked.split(".")
