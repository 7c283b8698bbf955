"""The smallest changes that would help, each found by resolving again with it."""

from collections.abc import Iterator, Sequence
from itertools import combinations

from msgspec.structs import replace

from provision.catalogue import Catalogue
from provision.model import (
    Backend,
    Change,
    Driver,
    DriverVersion,
    Host,
    Stack,
    Vendor,
    is_before_release,
    version_key,
)
from provision.resolve.candidate import Build, Wishes
from provision.resolve.rule_names import Of, RuleName
from provision.resolve.rules import Rules
from provision.resolve.search import find
from provision.resolve.vendors import ALTERNATIVES, BACKENDS, KNOWLEDGE, builds_of, runtime_images

_MOST_KINDS = 5  # of GPUs in one host; beyond that the subsets are too many to try


def upgrades(
    catalogue: Catalogue, host: Host, wishes: Wishes, vendor: Vendor, better_than: Stack | None = None
) -> Iterator[tuple[str, Stack]]:
    """Yield the newer drivers that each give a newer framework than every older one, the oldest first."""
    best = better_than
    for newer, upgraded in with_newer_drivers(catalogue, host, vendor):
        stack = find(catalogue, upgraded, wishes, vendor)
        if isinstance(stack, Stack) and (best is None or _age(stack) > _age(best)):
            yield newer.version or newer.release or "", stack
            best = stack


def with_newer_drivers(catalogue: Catalogue, host: Host, vendor: Vendor) -> Iterator[tuple[Driver, Host]]:
    """Yield the newer drivers that a host of a vendor can have, the oldest first, and the host with each."""
    driver = host.driver(vendor.gpu or "")
    for newer in KNOWLEDGE[vendor].newer_drivers(catalogue, host, driver) if driver else ():
        yield newer, _with(host, newer)


def changes(
    catalogue: Catalogue, host: Host, wishes: Wishes, vendor: Vendor, broken: Sequence[Rules]
) -> tuple[Change, ...]:
    """Return the smallest changes of the driver or of the request that lead to a stack.

    Args:
        catalogue: the facts.
        host: has no stack.
        wishes: what is asked for.
        vendor: not auto.
        broken: all rules that each candidate breaks.
    """
    found: list[Change] = []
    # Without a wish that may be met by another backend only then, a driver helps what breaks rules about it alone.
    if any(wishes) or catalogue.site_policy or any(all(map(_about_driver, rules)) for rules in broken):
        found += _with_driver(catalogue, host, wishes, vendor)
    for attempt in (_without, _with_backend, _with_base, _by_name):
        found += attempt(catalogue, host, wishes, vendor)
    return tuple(found) or _apart(catalogue, host, wishes, vendor) or _driver_and_name(catalogue, host, wishes, vendor)


def _about_driver(rule: RuleName) -> bool:
    return rule.of is Of.DRIVER or rule is RuleName.DRIVER_DRIVES_GPU


def _with_driver(catalogue: Catalogue, host: Host, wishes: Wishes, vendor: Vendor) -> list[Change]:
    """Return the oldest newer driver with a stack, or else the newest older branch: drivers leave old GPUs behind."""
    for version, stack in upgrades(catalogue, host, wishes, vendor):
        kind = "release " if _is_numbered_otherwise(host, vendor) else ""
        return [Change(change=f"driver {kind}{version} or newer", gives=stack.summary)]
    driver = host.driver(vendor.gpu or "")
    for older in KNOWLEDGE[vendor].older_drivers(catalogue, driver) if driver else ():
        found = find(catalogue, _with(host, older), wishes, vendor)
        if isinstance(found, Stack):
            branch = f"branch R{DriverVersion(older.version).branch}" if older.version else f"release {older.release}"
            return [Change(change=f"a driver of {branch}", gives=found.summary)]
    return []


def _is_numbered_otherwise(host: Host, vendor: Vendor) -> bool:
    """Tell whether the host tells the version of its driver's module alone, and the catalogue counts releases."""
    driver = host.driver(vendor.gpu or "")
    return driver is not None and driver.release is None and not KNOWLEDGE[vendor].needs_version


def in_words(found: tuple[Change, ...]) -> str:
    """Return the changes as the next step of an error message; nothing where there are none."""
    return ", or ".join(map(_sentence, found))


def _sentence(one: Change) -> str:
    change = one.change
    if change.startswith("driver "):
        return f"upgrade the driver to {change.removeprefix('driver ')}"
    if change.startswith("a driver"):
        return f"go back to {change}"
    return f"ask for {change} ({one.gives})" if change.startswith("--gpus ") else f"ask for {change}"


def _without(catalogue: Catalogue, host: Host, wishes: Wishes, vendor: Vendor) -> list[Change]:
    """Return the requests that fit when one wish is given up, or two where one is not enough."""
    for count in (1, 2):
        found: list[Change] = []
        for given_up in combinations(wishes.asked, count):
            stack = find(catalogue, host, wishes.having(**dict.fromkeys(given_up)), vendor)
            if isinstance(stack, Stack):
                found.append(Change(change=_asking(stack, given_up), gives=stack.summary))
        if found:
            return found
    return []


def _asking(stack: Stack, options: tuple[str, ...]) -> str:
    """Return the options with the values that a stack has; what replaces TensorFlow is asked for as a backend."""
    instead = f"--backend {stack.backend} instead of --tensorflow"
    found = [
        instead if option == "tensorflow" and stack.backend != "tensorflow" else f"--{option} {_value(stack, option)}"
        for option in options
    ]
    return " ".join(found)


def _value(stack: Stack, option: str) -> str:
    match option:
        case "tensorflow":
            return ".".join(stack.framework.version.split(".")[:2])
        case "backend":
            return stack.backend
        case "python":
            return stack.python
        case "base":
            return stack.base.image
        case _:
            return ".".join(stack.runtime.version.split(".")[:2])


def _with_backend(catalogue: Catalogue, host: Host, wishes: Wishes, vendor: Vendor) -> list[Change]:
    """Return Keras on another backend: it may fit a wish for a Python or a CUDA that no TensorFlow fits."""
    if wishes.backend or wishes.tensorflow:
        return []
    for backend in ALTERNATIVES:
        stack = find(catalogue, host, wishes._replace(backend=backend), vendor)
        if isinstance(stack, Stack):
            return [Change(change=f"--backend {backend}", gives=stack.summary)]
    return []


def _with_base(catalogue: Catalogue, host: Host, wishes: Wishes, vendor: Vendor) -> list[Change]:
    """Return the newest image with the runtime for a release that takes it from its base alone."""
    if wishes.base is not None or wishes.backend in ALTERNATIVES:
        return []
    for image in runtime_images(catalogue, vendor, wishes.tensorflow):
        stack = find(catalogue, host, wishes._replace(base=image, backend="tensorflow"), vendor)
        if isinstance(stack, Stack):
            return [Change(change=f"--base {image}", gives=stack.summary)]
    return []


def _by_name(catalogue: Catalogue, host: Host, wishes: Wishes, vendor: Vendor) -> list[Change]:
    """Return the newest unconfirmed release that fits: it is taken only by its name, and may need an image."""
    if wishes.backend in ALTERNATIVES:
        return []
    builds = builds_of(catalogue, vendor, "tensorflow", None)
    gpus = {gpu.architecture for gpu in host.gpus_of(vendor.gpu or "")}
    doubtful = [
        build.named_by[-1] for build in builds if build.named_by and (_is_doubtful(build) or gpus & set(build.by_name))
    ]
    for option, version in doubtful:
        if wishes.of(option) is not None:
            return []
        named = wishes.having(**{option: version})
        stack = find(catalogue, host, named, vendor)
        if isinstance(stack, Stack):
            return [Change(change=f"--{option} {version}", gives=stack.summary)]
        if on_image := _with_base(catalogue, host, named, vendor):
            return [replace(on_image[0], change=f"--{option} {version} {on_image[0].change}")]
    return []


def _driver_and_name(catalogue: Catalogue, host: Host, wishes: Wishes, vendor: Vendor) -> tuple[Change, ...]:
    """Return the oldest newer driver with a release that is taken by its name alone, where neither is enough."""
    driver = host.driver(vendor.gpu or "")
    for newer in KNOWLEDGE[vendor].newer_drivers(catalogue, host, driver) if driver else ():
        for named in _by_name(catalogue, _with(host, newer), wishes, vendor):
            kind = "release " if _is_numbered_otherwise(host, vendor) else ""
            told = f"driver {kind}{newer.version or newer.release} or newer and ask for {named.change}"
            return (Change(change=told, gives=named.gives),)
    return ()


def _is_doubtful(build: Build) -> bool:
    return build.row.confidence == "unconfirmed" or is_before_release(build.version)


def _apart(catalogue: Catalogue, host: Host, wishes: Wishes, vendor: Vendor) -> tuple[Change, ...]:
    """Return the smallest set of stacks that serves GPUs which no single stack serves, each for some kinds of them.

    Empty when the host has one kind. When some kind is served by none, the largest part that is served comes back.
    """
    kinds = tuple(sorted({gpu.architecture or "" for gpu in host.chosen_of(vendor.gpu or "")}))
    if not 1 < len(kinds) <= _MOST_KINDS:
        return ()
    served: dict[tuple[str, ...], Stack] = {}
    for size in range(len(kinds) - 1, 0, -1):
        for part in combinations(kinds, size):
            gpus = tuple(gpu for gpu in host.gpus if gpu.architecture in part)
            stack = find(catalogue, replace(host, gpus=gpus), wishes, vendor)
            if isinstance(stack, Stack):
                served[part] = stack
    parts = _smallest_set(tuple(served), len(kinds))
    none = sorted(set(kinds).difference(*parts)) if parts else ()
    rest = f"; no stack serves {', '.join(none)}" if none else ""
    return tuple(Change(change=f"--gpus {','.join(part)}", gives=f"{served[part].summary}{rest}") for part in parts)


def _smallest_set(served: tuple[tuple[str, ...], ...], kinds: int) -> tuple[tuple[str, ...], ...]:
    for count in range(1, kinds + 1):
        for parts in combinations(served, count):
            if sum(map(len, parts)) == kinds == len({kind for part in parts for kind in part}):
                return parts
    return served[:1]


def _age(stack: Stack) -> tuple[int, tuple[int, ...]]:
    return rank(stack.backend), version_key(stack.framework.version)[:2]


def rank(backend: Backend) -> int:
    """Return a number that is the higher, the more a backend is preferred."""
    return -BACKENDS.index(backend)


def _with(host: Host, driver: Driver) -> Host:
    """Return the host with another driver, of the flavour that it has now where the other does not tell one."""
    old = host.drivers[0] if host.drivers else driver
    return replace(host, drivers=(replace(driver, flavour=driver.flavour or old.flavour),))
