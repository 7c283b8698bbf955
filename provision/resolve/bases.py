"""The rules for base images: Python and glibc must suit the framework, and the request."""

from typing import NamedTuple

from provision.catalogue import Catalogue, rows
from provision.model import Request, version_key
from provision.resolve.rule_names import RuleName
from provision.resolve.rules import REQUESTED, Asked, Broken, Rule, house


class Candidate(NamedTuple):
    """A plain image for a build of a framework."""

    catalogue: Catalogue
    request: Request
    release: rows.FrameworkRow
    base: rows.BaseImage


def choose_base(catalogue: Catalogue, request: Request, release: rows.FrameworkRow) -> rows.BaseImage | Broken:
    """Return the preferred plain image for a release, or the rule that removes the one that comes furthest."""
    if request.python and request.python not in release.python:
        has = f"{release.python[0]} to {release.python[-1]}"
        reason = f"{release.title} has wheels for Python {has}, not {request.python}"
        return Broken(RuleName.REQUESTED_PYTHON, reason, release.source)
    furthest, why = -1, Broken(RuleName.REQUESTED_BASE, "the catalogue has no plain base image", REQUESTED)
    for base in _preferred(catalogue, release):
        asked = Asked(RULES, Candidate(catalogue, request, release, base))
        if asked.first is None:
            return base
        if asked.place > furthest:
            furthest, why = asked.place, asked.first
    return why


def _preferred(catalogue: Catalogue, release: rows.FrameworkRow) -> tuple[rows.BaseImage, ...] | list[rows.BaseImage]:
    """Return the images in the file's order for TensorFlow; by the newest Python for JAX, which drops the old soon."""
    bases = catalogue.images.bases
    if release.backend == "tensorflow":
        return bases
    return sorted(bases, key=lambda base: version_key(base.python), reverse=True)


def _requested_base(candidate: Candidate) -> Broken | None:
    """The base image asked for."""
    asked = candidate.request.base
    if asked in {None, candidate.base.image}:
        return None
    return Broken(RuleName.REQUESTED_BASE, f"the catalogue has no plain base image {asked!r}", REQUESTED)


def _requested_python(candidate: Candidate) -> Broken | None:
    """The Python asked for, which the release has wheels for."""
    request, python = candidate.request, candidate.base.python
    if request.python in {None, python}:
        return None
    reason = f"no base image of the catalogue has Python {request.python}"
    if request.base:
        reason = f"{request.base} has Python {python}, and {request.python} was asked for"
    return Broken(RuleName.REQUESTED_PYTHON, reason, REQUESTED)


def _house(candidate: Candidate) -> Broken | None:
    """What the site allows."""
    return house_allows(candidate.catalogue, candidate.base)


def _python(candidate: Candidate) -> Broken | None:
    """The Python that the wheel is for."""
    release, base = candidate.release, candidate.base
    if base.python in release.python:
        return None
    reason = f"{release.title} has no wheel for Python {base.python} of {base.image}"
    return Broken(RuleName.PYTHON, reason, release.source)


def _glibc(candidate: Candidate) -> Broken | None:
    """The C library that the wheel needs."""
    return glibc(candidate.release, candidate.base)


def glibc(release: rows.FrameworkRow, base: rows.BaseImage | rows.CudaBase) -> Broken | None:
    """The C library that the wheel needs."""
    if version_key(base.glibc) >= version_key(release.glibc):
        return None
    reason = f"{release.title} needs glibc {release.glibc}, and {base.image} has {base.glibc}"
    return Broken(RuleName.GLIBC, reason, release.source)


def house_allows(catalogue: Catalogue, base: rows.BaseImage | rows.CudaBase) -> Broken | None:
    """Return the site's rule that a base image or its Python breaks."""
    return house(catalogue, "base", base.image) or house(catalogue, "python", base.python)


RULES: tuple[Rule[Candidate], ...] = (_requested_base, _requested_python, _house, _python, _glibc)
