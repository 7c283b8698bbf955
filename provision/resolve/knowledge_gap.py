"""What the catalogue does not know of a host and of what was asked for: that is not the same as "no"."""

from collections.abc import Callable
from typing import Final

from provision.catalogue import LISTING, Catalogue
from provision.model import Vendor, version_key
from provision.resolve.candidate import Facts
from provision.resolve.vendors import BACKENDS, builds_of, matches

_ADD: Final = "add a row for it (--catalogue DIR, see docs/catalogue.md)"


def absent(facts: Facts) -> tuple[str, ...]:
    """Return what no row speaks of, in words: "sm_130", "TensorFlow 2.22"."""
    return (*_architectures(facts), *_versions(facts))


def age(catalogue: Catalogue) -> str:
    """Return how old the facts are, in words."""
    return f"its newest fact was checked on {max(row.checked for _, row in catalogue.all_rows())}"


def next_step(facts: Facts, helps: str, unknown: tuple[str, ...]) -> str:
    """Return the next step of a refusal.

    Args:
        facts: of the hosts.
        helps: the changes that were found to help, in words; empty: there is none.
        unknown: what no row speaks of.
    """
    if helps:
        return f"{helps}; or take a newer kgpu-env, or {_ADD}" if unknown else helps
    if facts.undriven:
        return facts.undriven[1].fix
    cpu = "--vendor cpu gives an environment without the GPU"
    if unknown:
        return f"{cpu}; otherwise take a newer kgpu-env, or {_ADD}"
    return (
        f"no driver and no single option of this catalogue changes this ({age(facts.catalogue)}); {cpu}; "
        f"where you know of a build that serves it, {_ADD}"
    )


def _architectures(facts: Facts) -> list[str]:
    known = {f"sm_{row.capability.replace('.', '')}" for row in facts.catalogue.nvidia.capabilities}
    for vendor in LISTING:
        known |= {row.target for row in facts.catalogue.listed(vendor).targets}
        known |= {row.target for row in facts.catalogue.listed_chips(vendor)}
    return [one for one in facts.targets if one.rstrip("af") not in known and one not in known]


def _versions(facts: Facts) -> list[str]:
    """Return the versions asked for that no row has: of TensorFlow from the oldest row on, of a runtime the newer ones.

    Older ones are left out on purpose, and a runtime is known by its series.
    """
    vendor = facts.vendor
    builds = [build for backend in BACKENDS for build in builds_of(facts.catalogue, vendor, backend, None)]
    runtimes = [runtime for build in builds for runtime in build.runtimes]
    wanted, runtime = facts.wishes.tensorflow, facts.wishes.runtime(vendor)
    frameworks = [one.version for one in builds if one.backend == "tensorflow"]
    found = [f"TensorFlow {wanted}"] if wanted and _lies_beyond(wanted, frameworks, min) else []
    if runtime and _lies_beyond(runtime, [one.series or one.version for one in runtimes], max):
        found.append(f"{_title(vendor)} {runtime}")
    return found


def _title(vendor: Vendor) -> str:
    return vendor.row.runtime_title if vendor.gpu else ""


def _lies_beyond(version: str, known: list[str], which: Callable[..., tuple[int, ...]]) -> bool:
    """Tell whether no row has a version, and it is newer than the oldest (`min`) or the newest (`max`) that has."""
    if any(matches(one, version) for one in known):
        return False
    return version_key(version) > which(map(version_key, known), default=())
