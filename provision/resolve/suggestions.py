"""The smallest changes that would help, each found by resolving again with it."""

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

from msgspec.structs import replace

from provision.catalogue import Catalogue
from provision.model import Backend, Change, Driver, DriverVersion, Host, Request, Stack, Vendor, version_key
from provision.resolve.outcome import STAND_INS, WISHES
from provision.resolve.rules import matches
from provision.resolve.split import split
from provision.resolve.vendors import resolve_vendor


class Upgrade(NamedTuple):
    """A driver that would be enough, and the stack it gives."""

    driver: str
    stack: Stack


def upgrades(
    catalogue: Catalogue, host: Host, request: Request, vendor: Vendor, *, better_than: Stack | None = None
) -> Iterator[Upgrade]:
    """Yield the newer drivers that each give a newer framework than every older one, the oldest first."""
    best = better_than
    for driver, changed in _newer_drivers(catalogue, host, vendor):
        stack = resolve_vendor(catalogue, changed, request, vendor)
        if isinstance(stack, Stack) and (best is None or _newer(stack, best)):
            yield Upgrade(driver, stack)
            best = stack


def changes(catalogue: Catalogue, host: Host, request: Request, vendor: Vendor) -> tuple[Change, ...]:
    """Return the smallest changes of the driver or of the request that lead to a stack."""
    found: list[Change] = []
    better = next(upgrades(catalogue, host, request, vendor), None)
    if better:
        found.append(Change(change=f"driver {better.driver} or newer", gives=better.stack.summary))
    elif older := _last_branch(catalogue, host, request, vendor):
        found.append(Change(change=f"a driver of branch R{older[0]}", gives=older[1].summary))
    for attempt in (_without, _with_backend, _with_base, _by_name):
        found += attempt(catalogue, host, request, vendor)
    return tuple(found) or split(catalogue, host, request, vendor)


def in_words(found: tuple[Change, ...]) -> str:
    """Return the changes as the next step of an error message."""
    steps = [_sentence(one.change) for one in found]
    if not steps:
        return "no driver upgrade and no single option changes this; --vendor cpu gives an environment without the GPU"
    return ", or ".join(steps)


def _sentence(change: str) -> str:
    if change.startswith("driver "):
        return f"upgrade the driver to {change.removeprefix('driver ')}"
    if change.startswith("a driver"):
        return f"go back to {change}"
    return f"ask for {change}" if change.startswith("--") else f"serve {change}, from a host file with these GPUs"


def _without(catalogue: Catalogue, host: Host, request: Request, vendor: Vendor) -> list[Change]:
    """Return the requests that fit when one wish is given up, or two where one is not enough."""
    asked = [option for option in WISHES if getattr(request, option) is not None]
    for count in (1, 2):
        found: list[Change] = []
        for given_up in combinations(asked, count):
            stack = resolve_vendor(catalogue, host, replace(request, **dict.fromkeys(given_up)), vendor)
            if isinstance(stack, Stack):
                change = _asking(stack, given_up)
                found.append(Change(change=change, gives=stack.summary))
        if found:
            return found
    return []


def _asking(stack: Stack, options: tuple[str, ...]) -> str:
    """Return the options with the values that a stack has; what stands in for TensorFlow is asked for as a backend."""
    instead = f"--backend {stack.backend} instead of --tensorflow"
    found = [
        instead if option == "tensorflow" and stack.backend != "tensorflow" else f"--{option} {_value(stack, option)}"
        for option in options
    ]
    return " ".join(found)


def _with_backend(catalogue: Catalogue, host: Host, request: Request, vendor: Vendor) -> list[Change]:
    """Return Keras on another backend: it may fit a wish for a Python or a CUDA that no TensorFlow fits."""
    if request.backend or request.tensorflow:
        return []
    for backend in STAND_INS:
        stack = resolve_vendor(catalogue, host, replace(request, backend=backend), vendor)
        if isinstance(stack, Stack):
            return [Change(change=f"--backend {backend}", gives=stack.summary)]
    return []


def _with_base(catalogue: Catalogue, host: Host, request: Request, vendor: Vendor) -> list[Change]:
    """Return the newest CUDA image for a release that takes CUDA from its base alone."""
    if vendor is not Vendor.CUDA or request.base is not None or request.backend in STAND_INS:
        return []
    asked = [row for row in catalogue.tensorflow if not row.cuda_wheels and matches(row.version, request.tensorflow)]
    majors = {row.cuda.split(".")[0] for row in asked}
    for row in (row for row in catalogue.images.cuda_bases if row.cuda.split(".")[0] in majors):
        stack = resolve_vendor(catalogue, host, replace(request, base=row.image, backend="tensorflow"), vendor)
        if isinstance(stack, Stack):
            return [Change(change=f"--base {row.image}", gives=stack.summary)]
    return []


def _by_name(catalogue: Catalogue, host: Host, request: Request, vendor: Vendor) -> list[Change]:
    """Return the newest unconfirmed release that fits: it is taken only by its name, and may need a CUDA image."""
    option = "tensorflow" if vendor is Vendor.CUDA else "rocm"
    if vendor is Vendor.CPU or request.backend in STAND_INS or getattr(request, option) is not None:
        return []
    rows = catalogue.tensorflow if vendor is Vendor.CUDA else catalogue.amd.builds
    for row in (row for row in rows if row.confidence == "unconfirmed"):
        version = ".".join(row.version.split(".")[:2])
        named = replace(request, **{option: version})
        stack = resolve_vendor(catalogue, host, named, vendor)
        if isinstance(stack, Stack):
            return [Change(change=f"--{option} {version}", gives=stack.summary)]
        on_image = _with_base(catalogue, host, named, vendor)
        if on_image:
            return [replace(on_image[0], change=f"--{option} {version} {on_image[0].change}")]
    return []


def _last_branch(catalogue: Catalogue, host: Host, request: Request, vendor: Vendor) -> tuple[str, Stack] | None:
    """Return the newest older NVIDIA branch with a stack: drivers leave old GPUs behind."""
    driver = host.driver("nvidia")
    if vendor is not Vendor.CUDA or driver is None or driver.version is None:
        return None
    have = DriverVersion(driver.version)
    for row in sorted(catalogue.nvidia.branches, key=lambda row: int(row.branch), reverse=True):
        if int(row.branch) >= int(have.branch):
            continue
        older = _with(host, replace(driver, version=row.driver or f"{row.branch}.0"))
        stack = resolve_vendor(catalogue, older, request, vendor)
        if isinstance(stack, Stack):
            return row.branch, stack
    return None


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


def _newer(stack: Stack, other: Stack) -> bool:
    return _age(stack) > _age(other)


def _age(stack: Stack) -> tuple[int, tuple[int, ...]]:
    return rank(stack.backend), version_key(stack.framework.version)[:2]


def rank(backend: Backend) -> int:
    """Return a number that is the higher, the more a backend is preferred: TensorFlow before what stands in for it."""
    return -("tensorflow", *STAND_INS).index(backend)


def _newer_drivers(catalogue: Catalogue, host: Host, vendor: Vendor) -> list[tuple[str, Host]]:
    driver = host.driver(vendor.gpu or "")
    if driver is None:
        return []
    if vendor is Vendor.CUDA and driver.version:
        have = DriverVersion(driver.version)
        known = _windows_drivers(catalogue) if host.wsl else _linux_drivers(catalogue)
        versions = sorted((one for one in known if DriverVersion(one) > have), key=version_key)
        return [(one, _with(host, replace(driver, version=one))) for one in versions]
    have_release = version_key(driver.release) if driver.release else ()
    releases = sorted((row.release for row in catalogue.amd.drivers), key=version_key)
    return [
        (one, _with(host, replace(driver, version=None, release=one, flavour="dkms")))
        for one in releases
        if version_key(one) > have_release
    ]


def _linux_drivers(catalogue: Catalogue) -> set[str]:
    branches = {row.driver for row in catalogue.nvidia.branches if row.driver}
    return branches | {row.driver for row in catalogue.nvidia.families}


def _windows_drivers(catalogue: Catalogue) -> set[str]:
    return {row.windows for row in catalogue.nvidia.families if row.windows}


def _with(host: Host, driver: Driver) -> Host:
    drivers = tuple(driver if one.vendor == driver.vendor else one for one in host.drivers)
    return replace(host, drivers=drivers)
