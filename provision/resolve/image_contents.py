"""What an image of another maker has inside, as far as name and variables tell, and whether that goes together."""

import re
from collections.abc import Iterator, Mapping

from provision.catalogue import Catalogue, rows
from provision.model import is_version, version_key
from provision.model.reference import reference_of

_CUDNN = ("NV_CUDNN_VERSION", "CUDNN_VERSION")
_MAJORS = {"cuda": "libcudart", "cudnn": "libcudnn"}


def known_image(catalogue: Catalogue, image: str) -> rows.KnownImage | None:
    """Return the row of an image that is known by its name."""
    found = reference_of(image)
    if found is None:
        return None
    place = f"{found.registry}/{found.repository}"
    matching = (row for row in catalogue.published if row.name == place)
    return next((row for row in matching if re.fullmatch(row.tag, found.tag or "latest")), None)


def contents(catalogue: Catalogue, image: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield what is to be known of what is inside, the doubtful marked as such."""
    row = known_image(catalogue, image)
    if row is None:
        return
    if row.says:
        yield f"{row.says} [{row.source}]"
    version = _version(row, image, environment)
    if version:
        yield f"{row.framework} {version}, by its {'tag' if not row.told else 'own variables'}"
    if version and not row.own and row.vendor == "cuda":
        yield from _pair(catalogue, version, environment)


def _version(row: rows.KnownImage, image: str, environment: Mapping[str, str]) -> str:
    told = next((environment[name] for name in row.told if name in environment), "")
    found = reference_of(image)
    match = re.fullmatch(row.tag, found.tag) if found else None
    return told or (match.groupdict().get("version") or "" if match else "")


def _pair(catalogue: Catalogue, version: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield where CUDA and cuDNN of an image are of another major version than a wheel of TensorFlow opens.

    The wheel opens its libraries by a name with the major version in it (libcudart.so.12): those of another major
    version are not found, and TensorFlow then registers no GPU.
    """
    release = next((one for one in catalogue.tensorflow if one.version == version), None)
    if release is None:
        yield f"the catalogue has no TensorFlow {version}: what it needs is not known"
        return
    there = {
        "cuda": environment.get("CUDA_VERSION", ""),
        "cudnn": next((environment[name] for name in _CUDNN if name in environment), ""),
    }
    for name, title, needed in (("cuda", "CUDA", release.cuda), ("cudnn", "cuDNN", release.cudnn)):
        have = re.split(r"[-+]", there[name])[0]
        if not is_version(have):
            yield f"the image does not tell its {title}: TensorFlow {version} needs {needed}"
        elif have.split(".")[0] != needed.split(".")[0]:
            library = f"{_MAJORS[name]}.so.{needed.split('.')[0]}"
            yield (
                f"WRONG: TensorFlow {version} opens {library} (built with {title} {needed}), and the image says "
                f"{title} {have}: no GPU will be found unless wheels in it bring that"
            )
        elif version_key(have) < version_key(needed) and name == "cudnn":
            yield (
                f"WRONG: TensorFlow {version} was built with cuDNN {needed}, and the image says {have}: an older one "
                "is refused when a layer first uses it"
            )
        else:
            yield f"{title} {have} in the image, {needed} that TensorFlow {version} was built with: they go together"
