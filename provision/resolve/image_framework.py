"""Which framework an image has, as it tells itself: by its labels, its variables, its tag or its name."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from provision.catalogue import Catalogue, rows
from provision.model import GPU_VENDORS, Backend, Vendor
from provision.model.base import Value
from provision.model.labels import stack_of
from provision.model.reference import Reference, reference_of

# Variables by which images name the version of a framework; NVIDIA's and AMD's among them.
_TOLD: Final[dict[str, Backend]] = {
    "TENSORFLOW_VERSION": "tensorflow",
    "PYTORCH_VERSION": "torch",
    "TORCH_VERSION": "torch",
    "JAX_VERSION": "jax",
}
_WORDS: Final[dict[str, Backend]] = {
    "tensorflow": "tensorflow",
    "tf": "tensorflow",
    "jax": "jax",
    "pytorch": "torch",
    "torch": "torch",
}
_NAMED: Final = r"(?<![a-z])(tensorflow|tf|jax|pytorch|torch)[-_: ]?v?([0-9]+\.[0-9]+(?:\.[0-9]+)*)"
_CUDA: Final = r"(?<![a-z])(?:cuda|cu)[-_]?([0-9]+\.[0-9]+(?:\.[0-9]+)?)"
_TEXTS: Final = ("org.opencontainers.image.title", "org.opencontainers.image.description")


class Inside(Value):
    """A framework in an image."""

    framework: Backend
    version: str
    told_by: str  # "tag": of what tells it
    vendor: Vendor = Vendor.CUDA  # what it was built for; a plain name tells nothing else
    own: bool = False  # built by the image's maker, against libraries of its own
    cuda: str = ""  # the CUDA that it brings along itself; empty: not told


def known_image(catalogue: Catalogue, image: str) -> rows.KnownImage | None:
    """Return the row of an image that is known by its name."""
    found = reference_of(image)
    if found is None:
        return None
    place = f"{found.registry}/{found.repository}"
    matching = (row for row in catalogue.published if row.name == place)
    return next((row for row in matching if re.fullmatch(row.tag, found.tag or "latest")), None)


def framework_of(
    row: rows.KnownImage | None, image: str, environment: Mapping[str, str], labels: Mapping[str, str]
) -> Inside | None:
    """Return the framework of an image with its version; None where it tells none.

    Args:
        row: of the image, where it is known by its name.
        image: its name.
        environment: the variables that it sets.
        labels: what it tells of itself besides.
    """
    reference = reference_of(image)
    if row:
        return _known(row, reference, environment)
    return next(_guesses(reference, environment, labels), None)


def _known(row: rows.KnownImage, reference: Reference | None, environment: Mapping[str, str]) -> Inside | None:
    match = re.fullmatch(row.tag, reference.tag) if reference else None
    parts = match.groupdict() if match else {}
    told = next((environment[name] for name in row.told if name in environment), "")
    version = told or parts.get("version") or ""
    return (
        Inside(
            framework=row.framework,
            version=re.split(r"[+a-z-]", version)[0],  # NVIDIA's "2.6.0a0+ecf3bae40a"
            told_by="tag" if not row.told else "own variables",
            vendor=Vendor(row.vendor),
            own=row.own,
            cuda=parts.get("cuda") or "",
        )
        if version
        else None
    )


def _guesses(
    reference: Reference | None, environment: Mapping[str, str], labels: Mapping[str, str]
) -> Iterator[Inside]:
    if stack := stack_of(labels):
        cuda = stack.runtime.version if stack.vendor is Vendor.CUDA else ""
        yield Inside(
            framework=stack.backend, version=stack.framework.version, told_by="labels", vendor=stack.vendor, cuda=cuda
        )
    for name, framework in _TOLD.items():
        if name in environment:
            version, _, local = environment[name].partition("+")
            yield Inside(
                framework=framework,
                version=version,
                told_by="own variables",
                vendor=_vendor_of(local, environment),
                cuda=_local(local),
            )
    texts = {"labels": " ".join(labels.get(name, "") for name in _TEXTS)}
    if reference:
        texts["name"] = f"{reference.repository.rpartition('/')[2]}:{reference.tag}"
    for told_by, text in texts.items():
        if found := re.search(_NAMED, text.lower()):
            framework = _WORDS[found[1]]
            # Of torch the CUDA in a name is that of its wheels; of the others that of the image.
            named = re.search(_CUDA, text.lower()) if framework == "torch" else None
            own = named[1] if named else ""
            yield Inside(framework=framework, version=found[2], told_by=told_by, vendor=_vendor(text.lower()), cuda=own)


def _local(text: str) -> str:
    """Return the CUDA of torch's local version, cu124 as 12.4; empty where it is of none."""
    found = re.fullmatch(r"cu([0-9]{2})([0-9])", text)
    return f"{found[1]}.{found[2]}" if found else ""


def _vendor_of(local: str, environment: Mapping[str, str]) -> Vendor:
    """Return what a version was built for by its local part ("rocm6.3", "cpu"), else by an image's variables."""
    if re.match("cpu|cu[0-9]", local) or any(vendor.value in local for vendor in GPU_VENDORS):
        return _vendor(local)
    names = [
        vendor
        for vendor, row in GPU_VENDORS.items()
        if any(re.fullmatch(row.image_variables, name) for name in environment)
    ]
    return names[0] if names else Vendor.CUDA


def _vendor(text: str) -> Vendor:
    """Return what a name says it was built for; where it says nothing, what is held against an image's variables."""
    if re.search(r"(?<![a-z])cpu(?![a-z])", text):
        return Vendor.CPU
    return next((vendor for vendor in GPU_VENDORS if vendor.value in text), Vendor.CUDA)
