"""Every driver of the catalogue with every GPU: what each would get, and which rows decide it."""

from collections.abc import Iterator

from provision.catalogue import Catalogue
from provision.model import TITLES, Driver, Gpu, Host, Request, Stack, Vendor, version_key
from provision.model.matrix import Cell
from provision.resolve.vendors import resolve_vendor


def hosts(catalogue: Catalogue, vendor: Vendor) -> Iterator[tuple[str, str, Host]]:
    """Yield driver, product and host for every driver and GPU, oldest driver first."""
    if vendor is Vendor.CUDA:
        branches = sorted(catalogue.nvidia.branches, key=lambda row: int(row.branch))
        for branch in branches:
            version = branch.driver or f"{branch.branch}.0"
            for row in catalogue.nvidia.capabilities:
                gpu = Gpu(vendor="nvidia", architecture=f"sm_{row.capability.replace('.', '')}")
                yield version, row.name, Host(gpus=(gpu,), drivers=(Driver(vendor="nvidia", version=version),))
        return
    for driver in sorted(catalogue.amd.drivers, key=lambda row: version_key(row.release)):
        for target in catalogue.amd.targets:
            amdgpu = Driver(vendor="amd", release=driver.release, flavour="dkms")
            host = Host(gpus=(Gpu(vendor="amd", architecture=target.target),), drivers=(amdgpu,))
            yield driver.release, target.products.partition(",")[0], host


def matrix(catalogue: Catalogue, vendor: Vendor) -> tuple[Cell, ...]:
    """Return what every kind of host of a vendor gets when nothing is asked for."""
    return tuple(
        _cell(vendor, driver, name, host, resolve_vendor(catalogue, host, Request(vendor=vendor), vendor))
        for driver, name, host in hosts(catalogue, vendor)
    )


def _cell(vendor: Vendor, driver: str, name: str, host: Host, found: object) -> Cell:
    gpu = host.gpus[0].architecture or ""
    if not isinstance(found, Stack):
        return Cell(vendor=vendor, driver=driver, gpu=gpu, name=name)
    runtime = f"{found.runtime.name} {found.runtime.version}"
    return Cell(
        vendor=vendor,
        driver=driver,
        gpu=gpu,
        name=name,
        backend=found.backend,
        framework=_framework(found),
        runtime=runtime,
        route=found.route,
        summary=found.summary,
    )


def _framework(stack: Stack) -> str:
    version = stack.framework.version
    return version if stack.backend == "tensorflow" else f"{TITLES[stack.backend]} {version}"


def decided_by(before: tuple[Cell, ...], after: tuple[Cell, ...]) -> tuple[tuple[Cell, Cell], ...]:
    """Return the cells that differ between two matrices of the same hosts."""
    return tuple((one, two) for one, two in zip(before, after, strict=True) if one.summary != two.summary)
