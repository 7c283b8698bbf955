"""The smallest changes that would help, each found by resolving again with it."""

from typing import NamedTuple

from msgspec.structs import replace

from provision.catalogue import Catalogue
from provision.model import Driver, DriverVersion, Host, Request, Stack, Vendor, version_key
from provision.resolve.vendors import resolve_vendor


class Upgrade(NamedTuple):
    """A driver that would be enough, and the stack it gives."""

    driver: str
    stack: Stack


def upgrade(
    catalogue: Catalogue, host: Host, request: Request, vendor: Vendor, *, better_than: Stack | None = None
) -> Upgrade | None:
    """Return the oldest newer driver that gives a stack, or a newer framework than `better_than`."""
    for driver, changed in _newer_drivers(catalogue, host, vendor):
        stack = resolve_vendor(catalogue, changed, request, vendor)
        if isinstance(stack, Stack) and (better_than is None or _newer(stack, better_than)):
            return Upgrade(driver, stack)
    return None


def advise(catalogue: Catalogue, host: Host, request: Request, vendor: Vendor) -> str:
    """Return the smallest changes of the driver or of the request that lead to a stack, in words."""
    steps: list[str] = []
    better = upgrade(catalogue, host, request, vendor)
    if better:
        steps.append(f"upgrade the driver to {better.driver} or newer")
    elif older := _last_branch(catalogue, host, request, vendor):
        steps.append(f"go back to a driver of branch R{older}")
    for option in ("tensorflow", "python", "base", "cuda", "rocm"):
        if getattr(request, option) is None:
            continue
        stack = resolve_vendor(catalogue, host, replace(request, **{option: None}), vendor)
        if isinstance(stack, Stack):
            steps.append(f"ask for --{option} {_value(stack, option)}")
    if not steps:
        return "no driver upgrade and no single option changes this; --vendor cpu gives an environment without the GPU"
    return ", or ".join(steps)


def _last_branch(catalogue: Catalogue, host: Host, request: Request, vendor: Vendor) -> str | None:
    """Return the newest older NVIDIA branch with a stack: drivers leave old GPUs behind."""
    driver = host.driver("nvidia")
    if vendor is not Vendor.CUDA or driver is None or driver.version is None:
        return None
    have = DriverVersion(driver.version)
    for row in sorted(catalogue.nvidia.branches, key=lambda row: int(row.branch), reverse=True):
        older = _with(host, replace(driver, version=row.driver or f"{row.branch}.0"))
        if int(row.branch) < int(have.branch) and isinstance(resolve_vendor(catalogue, older, request, vendor), Stack):
            return row.branch
    return None


def _value(stack: Stack, option: str) -> str:
    match option:
        case "tensorflow":
            return ".".join(stack.framework.version.split(".")[:2])
        case "python":
            return stack.python
        case "base":
            return stack.base.image
        case _:
            return ".".join(stack.runtime.version.split(".")[:2])


def _newer(stack: Stack, other: Stack) -> bool:
    return version_key(stack.framework.version)[:2] > version_key(other.framework.version)[:2]


def _newer_drivers(catalogue: Catalogue, host: Host, vendor: Vendor) -> list[tuple[str, Host]]:
    driver = host.driver(vendor.gpu or "")
    if driver is None:
        return []
    if vendor is Vendor.CUDA and driver.version:
        have = DriverVersion(driver.version)
        floors = [row.driver for row in catalogue.nvidia.families]
        known = {*floors, *(row.driver for row in catalogue.nvidia.branches if row.driver)}
        versions = sorted((one for one in known if DriverVersion(one) > have), key=version_key)
        return [(one, _with(host, replace(driver, version=one))) for one in versions]
    have_release = version_key(driver.release) if driver.release else ()
    releases = sorted((row.release for row in catalogue.amd.drivers), key=version_key)
    return [
        (one, _with(host, replace(driver, version=None, release=one, flavour="dkms")))
        for one in releases
        if version_key(one) > have_release
    ]


def _with(host: Host, driver: Driver) -> Host:
    drivers = tuple(driver if one.vendor == driver.vendor else one for one in host.drivers)
    return replace(host, drivers=drivers)
