"""Every driver of the catalogue with every GPU: what each would get, and what a row of the catalogue decides of it."""

from collections.abc import Iterable

from provision.catalogue import LISTING, Catalogue, rows
from provision.catalogue.sections import table_of
from provision.model import GPU_VENDORS, TITLES, Host, Stack, Vendor
from provision.model.matrix import Cell, Effect
from provision.resolve.candidate import Wishes
from provision.resolve.search import Outcome, find
from provision.resolve.vendors import KNOWLEDGE

_AXES = {"branches", "capabilities", "drivers", "targets"}  # without such a row the host itself is not in the matrix
# Rows that others name, by the field that is named, and the tables that name them.
_NEEDED = {
    "families": "major",
    "wheels": "cuda",
    "ptx": "isa",
    "cudnn": "version",
    "requirements": "image_cuda",
    "tools": "id",
    **{vendor.value: "series" for vendor in LISTING},
}
_NAMING = {
    "families": ("releases",),
    "wheels": ("releases",),
    "ptx": ("releases", "keras_cuda"),
    "cudnn": ("releases", "cuda_bases", "keras_cuda"),
    "requirements": ("cuda_bases",),
}


def hosts(catalogue: Catalogue, vendor: Vendor) -> Iterable[tuple[str, str, Host]]:
    """Return driver, product and host for every driver and GPU, the oldest driver first."""
    return KNOWLEDGE[vendor].hosts(catalogue)


def matrix(catalogue: Catalogue, vendor: Vendor) -> tuple[Cell, ...]:
    """Return what every kind of host of a vendor gets when nothing is asked for."""
    return tuple(
        _cell(vendor, driver, name, host, find(catalogue, host, Wishes(), vendor))
        for driver, name, host in hosts(catalogue, vendor)
    )


def _cell(vendor: Vendor, driver: str, name: str, host: Host, found: Outcome) -> Cell:
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


def effects(catalogue: Catalogue, table: str, name: str) -> tuple[Effect, ...]:
    """Return the kinds of hosts that get another stack without a row.

    Empty for rows that cannot be left out: drivers and GPUs (see `served`), and rows that others name (`named_by`).
    """
    if table in _AXES or table in _NEEDED:
        return ()
    vendor = _vendor(catalogue, table, name)
    before, after = matrix(catalogue, vendor), matrix(catalogue.without(table, name), vendor)
    return tuple(
        Effect(driver=one.driver, gpu=one.gpu, name=one.name, stack=one.summary, without=two.summary)
        for one, two in zip(before, after, strict=True)
        if one.summary != two.summary
    )


def served(catalogue: Catalogue, table: str, row: dict[str, object]) -> tuple[Cell, ...]:
    """Return what the hosts get that have a driver or GPU; empty for rows of other tables."""
    if table not in _AXES:
        return ()
    architecture = f"sm_{str(row.get('capability')).replace('.', '')}"
    keys = {str(row.get("driver") or f"{row.get('branch')}.0"), str(row.get("release"))}
    gpus = {architecture, str(row.get("target"))}
    on_driver = table in {"branches", "drivers"}
    cells = matrix(catalogue, _vendor(catalogue, table, str(row.get("id"))))
    return tuple(cell for cell in cells if (cell.driver in keys if on_driver else cell.gpu in gpus))


def named_by(catalogue: Catalogue, table: str, row: dict[str, object]) -> tuple[str, ...]:
    """Return the ids of the rows that need this one: releases a cuDNN, builds a ROCm series."""
    value = row.get(_NEEDED.get(table, ""))
    if vendor := next((one for one in LISTING if one.value == table), None):
        builds = tuple(one.id for one in catalogue.listed(vendor).builds if one.series == value)
        return builds + tuple(one.id for one in catalogue.keras.of(vendor) if one.series == value)
    return tuple(
        one.id for other, one in catalogue.all_rows() if other in _NAMING.get(table, ()) and value in _named(table, one)
    )


def _named(table: str, row: rows.Row) -> tuple[object, ...]:
    match row:
        case rows.TensorFlowRelease():
            return {
                "families": (row.cuda.split(".")[0],),
                "wheels": (row.cuda, *row.newer_cuda) if row.cuda_wheels else (),
                "ptx": row.ptx_versions,
                "cudnn": (row.cudnn, *row.newer_cudnn),
            }.get(table, ())
        case rows.KerasCuda():
            return {"ptx": row.ptx_versions, "cudnn": (row.cudnn,)}.get(table, ())
        case rows.CudaBase():
            return (row.cudnn, row.cuda)
        case _:
            return ()


def _vendor(catalogue: Catalogue, table: str, name: str) -> Vendor:
    """Return the vendor whose row it is; the first for those of all."""
    own = (
        vendor
        for vendor in LISTING
        if table == f"keras_{vendor}" or any(row.id == name for row in table_of(catalogue.listed(vendor), table))
    )
    return next(own, next(iter(GPU_VENDORS)))
