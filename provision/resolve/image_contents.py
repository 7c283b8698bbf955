"""What an image of another maker has inside, as far as name, labels and variables tell, and whether that goes together.

A framework's wheels open libraries by a name with the major version in it (libcudart.so.12): those of another major
version are not found, and it then registers no GPU. An older cuDNN than it was built with is refused by TensorFlow and
JAX alike (github.com/jax-ml/jax/issues/15268).
"""

import re
from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from provision.catalogue import Catalogue, rows
from provision.model import TITLES, Backend, DriverVersion, Host, Vendor, is_version, version_key
from provision.resolve.image_framework import Inside, framework_of, known_image

__all__ = ["contents", "known_image"]

_CUDNN = ("NV_CUDNN_VERSION", "CUDNN_VERSION")
_MAJORS = {"cuda": "libcudart", "cudnn": "libcudnn"}
_NO_GPU = "no GPU will be found unless wheels in it bring that"


def contents(
    catalogue: Catalogue,
    image: str,
    environment: Mapping[str, str],
    labels: Mapping[str, str] | None = None,
    host: Host | None = None,
) -> Iterator[str]:
    """Yield what is to be known of what is inside, the doubtful marked as such.

    Args:
        catalogue: knows images by name, and what the wheels of a framework need.
        image: its name.
        environment: the variables that it sets.
        labels: what it tells of itself besides.
        host: whose driver is to serve what the image brings along; None: that is not asked.
    """
    row = known_image(catalogue, image)
    if row and row.says:
        yield f"{row.says} [{row.source}]"
    found = framework_of(row, image, environment, labels or {})
    if found is None:
        return
    yield f"{found.framework} {found.version}, by its {found.told_by}"
    if found.vendor is not Vendor.CUDA:
        return
    if found.cuda:
        yield from _driver(catalogue, found, host)
    elif not found.own:
        yield from _against_image(catalogue, found, environment, host)


def _against_image(
    catalogue: Catalogue, found: Inside, environment: Mapping[str, str], host: Host | None
) -> Iterator[str]:
    """Yield whether the framework's wheels and the image's CUDA and cuDNN go together."""
    title, there = TITLES[found.framework], _there(environment)
    builds = _builds(catalogue, found.framework, found.version)
    if not builds:
        yield f"the catalogue has no {title} {found.version}: what it needs is not known"
    elif found.framework == "torch":
        yield from _torch(builds[0], there["cuda"])
        yield from _driver(catalogue, replace(found, cuda=builds[0].cuda), host)
    else:
        fitting = [one for one in builds if _major(one.cuda) == _major(there["cuda"])] or builds
        cudnn = fitting[0].oldest_cudnn or fitting[0].cudnn
        yield _library(f"{title} {found.version}", "cuda", there["cuda"], *(one.cuda for one in fitting))
        yield _library(f"{title} {found.version}", "cudnn", there["cudnn"], cudnn)


def _there(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the versions of CUDA and cuDNN that an image tells; empty where it tells none."""
    told = {
        "cuda": environment.get("CUDA_VERSION", ""),
        "cudnn": next((environment[name] for name in _CUDNN if name in environment), ""),
    }
    plain = {name: re.split(r"[-+]", text)[0] for name, text in told.items()}
    return {name: text if is_version(text) else "" for name, text in plain.items()}


def _builds(catalogue: Catalogue, framework: Backend, version: str) -> list[rows.CudaBuild]:
    """Return a version's builds for NVIDIA GPUs: of "2.17" those of its newest patch release."""
    every: list[rows.CudaBuild] = list(catalogue.tensorflow)
    if framework != "tensorflow":
        every = [row for row in catalogue.keras.keras_cuda if row.backend == framework]
    fitting = [row for row in every if f"{row.version}.".startswith(f"{version}.")]
    newest = max((row.version for row in fitting), key=version_key, default="")
    return [row for row in fitting if row.version == newest]


def _library(title: str, name: str, have: str, *versions: str) -> str:
    """Return whether the image's CUDA or cuDNN is one that the framework opens; it is built with one of `versions`."""
    word, needed = {"cuda": "CUDA", "cudnn": "cuDNN"}[name], " or ".join(versions)
    if not have:
        return f"the image does not tell its {word}: {title} needs {needed}"
    if all(_major(have) != _major(one) for one in versions):
        library = " or ".join(f"{_MAJORS[name]}.so.{_major(one)}" for one in versions)
        return (
            f"WRONG: {title} opens {library} (built with {word} {needed}), and the image says {word} {have}: {_NO_GPU}"
        )
    if name == "cudnn" and version_key(have) < version_key(needed):
        older = "an older one is refused when a layer first uses it, unless wheels in it bring a newer one"
        return f"WRONG: {title} was built with cuDNN {needed}, and the image says {have}: {older}"
    return f"{word} {have} in the image, {needed} that {title} was built with: they go together"


def _torch(build: rows.CudaBuild, have: str) -> Iterator[str]:
    """Yield what torch does with an image's CUDA: its wheels bring their own, by which it alone is run."""
    own = f"CUDA {build.cuda} and cuDNN {build.cudnn}"
    yield f"torch {build.version} as PyPI has it brings {own}: the image's are not opened"
    if have and _major(have) != _major(build.cuda):
        # torch.utils.cpp_extension compares nvcc's version with torch's own.
        why = f"the image's CUDA {have} is of another major version than torch's {build.cuda}"
        yield f"extensions that are compiled inside will be refused: {why}"


def _driver(catalogue: Catalogue, found: Inside, host: Host | None) -> Iterator[str]:
    """Yield whether the host's driver serves the CUDA that a framework brings along."""
    driver = host.driver("nvidia") if host else None
    floor = next((row for row in catalogue.nvidia.families if row.major == _major(found.cuda)), None)
    if driver is None or driver.version is None or floor is None:
        return
    title = f"{TITLES[found.framework]} {found.version} with CUDA {found.cuda}"
    if DriverVersion(driver.version) < DriverVersion(floor.driver):
        yield f"WRONG: {title} needs driver {floor.driver}, and this host has {driver.version}: no GPU will be found"
    else:
        yield f"driver {driver.version} serves {title}"


def _major(version: str) -> str:
    return version.split(".", maxsplit=1)[0]
