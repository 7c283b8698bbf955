"""The rule for base images: Python and glibc must suit the framework, and the request."""

from provision.catalogue import Catalogue, rows
from provision.model import Request, version_key
from provision.resolve.rules import REQUESTED, Broken, house


def choose_base(catalogue: Catalogue, request: Request, release: rows.FrameworkRow) -> rows.BaseImage | Broken:
    """Return the preferred plain image for a release, or the rule that removes all of them."""
    name = release.title
    if request.python and request.python not in release.python:
        has = f"{release.python[0]} to {release.python[-1]}"
        return Broken("requested-python", f"{name} has wheels for Python {has}, not {request.python}", release.source)
    named = [base for base in _preferred(catalogue, release) if request.base in (None, base.image)]
    if not named:
        return Broken("requested-base", f"the catalogue has no plain base image {request.base!r}", REQUESTED)
    python = [base for base in named if base.python == request.python] if request.python else named
    if not python:
        reason = f"{request.base} has Python {named[0].python}, and {request.python} was asked for"
        return Broken("requested-python", reason if request.base else _nothing(request), REQUESTED)
    allowed = [base for base in python if house_allows(catalogue, base) is None]
    if not allowed:
        return house_allows(catalogue, python[0]) or Broken("house", "no base is allowed", REQUESTED)
    serving = [base for base in allowed if base.python in release.python]
    if not serving:
        reason = f"{name} has no wheel for Python {allowed[0].python} of {allowed[0].image}"
        return Broken("python", reason, release.source)
    fitting = [base for base in serving if glibc(release, base) is None]
    return fitting[0] if fitting else glibc(release, serving[0]) or serving[0]


def _preferred(catalogue: Catalogue, release: rows.FrameworkRow) -> list[rows.BaseImage]:
    """Return the images in the file's order for TensorFlow; by the newest Python for JAX, which drops the old soon."""
    bases = list(catalogue.images.bases)
    if release.backend == "tensorflow":
        return bases
    return sorted(bases, key=lambda base: version_key(base.python), reverse=True)


def glibc(release: rows.FrameworkRow, base: rows.BaseImage | rows.CudaBase) -> Broken | None:
    """The C library that the wheel needs."""
    if version_key(base.glibc) >= version_key(release.glibc):
        return None
    reason = f"{release.title} needs glibc {release.glibc}, and {base.image} has {base.glibc}"
    return Broken("glibc", reason, release.source)


def house_allows(catalogue: Catalogue, base: rows.BaseImage | rows.CudaBase) -> Broken | None:
    """Return the site's rule that a base image or its Python breaks."""
    return house(catalogue, "base", base.image) or house(catalogue, "python", base.python)


def _nothing(request: Request) -> str:
    return f"no base image of the catalogue has Python {request.python}"
