"""The rules about wishes: what was asked for, what the site allows, and the base image that has to suit the build."""

from provision.catalogue import Catalogue
from provision.model import version_key
from provision.resolve.candidate import Candidate
from provision.resolve.rule_names import REQUESTED, Broken, RuleName
from provision.resolve.vendors import KNOWLEDGE, matches

_PATCH = 2  # dots of a patch release: "2.15.0"


def requested_tensorflow(candidate: Candidate) -> Broken | None:
    """The TensorFlow asked for."""
    asked, have = candidate.facts.wishes.tensorflow, candidate.build.version
    if asked is None or candidate.build.backend != "tensorflow" or matches(have, asked):
        return None
    if have.count(".") == 1 and asked == f"{have}.0":
        return None
    if _is_of_series(candidate.facts.catalogue, asked, have):
        return None
    return Broken(RuleName.REQUESTED_TENSORFLOW, f"TensorFlow {asked} was asked for", REQUESTED)


def _is_of_series(catalogue: Catalogue, asked: str, have: str) -> bool:
    """Tell whether a build stands for a patch release that the catalogue does not have: 2.15.1 for 2.15.0."""
    series = version_key(asked)[:2]
    if asked.count(".") != _PATCH or version_key(have)[:2] != series:
        return False
    return asked not in (row.version for row in catalogue.tensorflow)


def published_runtime(candidate: Candidate) -> Broken | None:
    """The runtime asked for, of a build that is published for one base and so for one runtime."""
    if candidate.build.image is None or _is_runtime_asked_for(candidate):
        return None
    return _other_runtime(candidate, "")


def requested_runtime(candidate: Candidate) -> Broken | None:
    """The runtime asked for."""
    if _is_runtime_asked_for(candidate):
        return None
    return _other_runtime(candidate, ", and this is {title} {version}")


def _is_runtime_asked_for(candidate: Candidate) -> bool:
    asked, runtime = candidate.facts.wishes.runtime(candidate.build.vendor), candidate.runtime
    return matches(runtime.version, asked) or bool(runtime.series and matches(runtime.series, asked))


def _other_runtime(candidate: Candidate, more: str) -> Broken | None:
    vendor, rule = candidate.build.vendor, KNOWLEDGE[candidate.build.vendor].requested
    if rule is None:
        return None
    title = vendor.row.runtime_title
    reason = f"{title} {candidate.facts.wishes.runtime(vendor)} was asked for"
    return Broken(rule, reason + more.format(title=title, version=candidate.runtime.version), REQUESTED)


def published_python(candidate: Candidate) -> Broken | None:
    """The Python asked for, of a build that is published for one base."""
    asked, image = candidate.facts.wishes.python, candidate.build.image
    if image is None or asked in {None, image.python}:
        return None
    reason = f"it is published for Python {image.python}, and {asked} was asked for"
    return Broken(RuleName.REQUESTED_PYTHON, reason, candidate.build.row.source)


def published_base(candidate: Candidate) -> Broken | None:
    """The base asked for, of a build that is published for one."""
    asked, image = candidate.facts.wishes.base, candidate.build.image
    if image is None or asked in {None, image.image}:
        return None
    reason = f"the base {asked} was asked for, and this is {image.image}"
    return Broken(RuleName.REQUESTED_BASE, reason, REQUESTED)


def published_policy(candidate: Candidate) -> Broken | None:
    """What the site allows, of a build that is published for one base."""
    build, catalogue = candidate.build, candidate.facts.catalogue
    if build.image is None or not catalogue.site_policy:
        return None
    return (
        site_policy(catalogue, build.backend, build.version)
        or site_policy(catalogue, build.vendor, candidate.runtime.version)
        or site_policy(catalogue, "python", build.image.python)
        or site_policy(catalogue, "base", build.image.image)
    )


def framework_policy(candidate: Candidate) -> Broken | None:
    """The newest version of the framework that the site allows."""
    return site_policy(candidate.facts.catalogue, candidate.build.backend, candidate.build.version)


def runtime_policy(candidate: Candidate) -> Broken | None:
    """The newest version of the runtime that the site allows."""
    return site_policy(candidate.facts.catalogue, candidate.build.vendor, candidate.runtime.version)


def base_policy(candidate: Candidate) -> Broken | None:
    """The base images, and the newest Python, that the site allows."""
    catalogue, base = candidate.facts.catalogue, candidate.base
    return site_policy(catalogue, "base", base.image) or site_policy(catalogue, "python", base.python)


def site_policy(catalogue: Catalogue, subject: str, value: str) -> Broken | None:
    """Return the site's own rule that a version or base image breaks."""
    for row in catalogue.site_policy:
        if row.subject != subject:
            continue
        if row.newest and version_key(value)[: len(version_key(row.newest))] > version_key(row.newest):
            reason = f"the site's rule {row.id} allows no {subject} newer than {row.newest}, and this is {value}"
            return Broken(RuleName.SITE_POLICY, reason, row.source)
        if row.images and value not in row.images:
            return Broken(RuleName.SITE_POLICY, f"the site's rule {row.id} does not list {value}", row.source)
    return None


def wheels_for_python(candidate: Candidate) -> Broken | None:
    """Wheels for the Python asked for, whichever plain base has it."""
    build, asked = candidate.build, candidate.facts.wishes.python
    if candidate.base.row or asked is None or asked in build.python:
        return None
    reason = f"{build.title} has wheels for Python {build.python[0]} to {build.python[-1]}, not {asked}"
    return Broken(RuleName.REQUESTED_PYTHON, reason, build.row.source)


def image_python(candidate: Candidate) -> Broken | None:
    """The Python of an image that brings the runtime, which was asked for: there is no choice."""
    base, asked = candidate.base, candidate.facts.wishes.python
    if base.row is None or (asked in {None, base.python} and base.python in candidate.build.python):
        return None
    rule = RuleName.REQUESTED_PYTHON if asked else RuleName.PYTHON
    return Broken(rule, f"{base.image} has Python {base.python}", base.source)


def requested_base(candidate: Candidate) -> Broken | None:
    """The base image asked for."""
    asked = candidate.facts.wishes.base
    if candidate.base.row or asked in {None, candidate.base.image}:
        return None
    return Broken(RuleName.REQUESTED_BASE, f"the catalogue has no plain base image {asked!r}", REQUESTED)


def requested_python(candidate: Candidate) -> Broken | None:
    """The Python asked for, which the build has wheels for."""
    wishes, python = candidate.facts.wishes, candidate.base.python
    if wishes.python in {None, python}:
        return None
    reason = f"no base image of the catalogue has Python {wishes.python}"
    if wishes.base:
        reason = f"{wishes.base} has Python {python}, and {wishes.python} was asked for"
    return Broken(RuleName.REQUESTED_PYTHON, reason, REQUESTED)


def base_python(candidate: Candidate) -> Broken | None:
    """A wheel for the base's Python."""
    build, base = candidate.build, candidate.base
    if base.python in build.python:
        return None
    reason = f"{build.title} has no wheel for Python {base.python} of {base.image}"
    return Broken(RuleName.PYTHON, reason, build.row.source)


def base_glibc(candidate: Candidate) -> Broken | None:
    """The C library that the wheel needs; where it is not known, the build and its base come from one maker."""
    build, base = candidate.build, candidate.base
    if build.glibc is None or base.glibc is None or version_key(base.glibc) >= version_key(build.glibc):
        return None
    reason = f"{build.title} needs glibc {build.glibc}, and {base.image} has {base.glibc}"
    return Broken(RuleName.GLIBC, reason, build.row.source)
