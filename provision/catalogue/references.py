"""What one row of the catalogue names of another: a site's rows may name what is not there."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from provision.catalogue import rows
from provision.catalogue.sections import LISTING
from provision.errors import InputError

if TYPE_CHECKING:
    from provision.catalogue import Catalogue


def check_references(catalogue: "Catalogue") -> None:
    """Raise InputError KGE-206 for the first row that names a row which is in no table, or has no GPU code at all."""
    builds = (*catalogue.tensorflow, *catalogue.keras.keras_cuda)
    told = (*(fault for row in builds for fault in _of_cuda(catalogue, row)), *_of_listed(catalogue))
    if told:
        row, what = told[0]
        fix = "add that row to the same folder, or correct the value; kgpu-env catalogue list shows what there is"
        raise InputError("KGE-206", f"The row {row.id} {what}.", cause=f"its source: {row.source}", fix=fix)


def _of_cuda(catalogue: "Catalogue", row: rows.CudaBuild) -> Iterator[tuple[rows.Row, str]]:
    nvidia = catalogue.nvidia
    if not (row.sass or row.ptx):
        yield row, "has neither machine code (sass) nor PTX"
    named = {
        "CUDA family": ([row.cuda.split(".")[0]], [one.major for one in nvidia.families]),
        "PTX version": (row.ptx_versions, [one.isa for one in nvidia.ptx]),
        "cuDNN": ([row.cudnn] if _has_wheels(row) else [], [one.version for one in nvidia.cudnn]),
    }
    if isinstance(row, rows.TensorFlowRelease) and row.cuda_wheels:
        named["set of CUDA wheels"] = ([row.cuda, *row.newer_cuda], [one.cuda for one in nvidia.wheels])
    for kind, (wanted, known) in named.items():
        yield from ((row, f"names the {kind} {one}, which no row has") for one in _absent(wanted, known))


def _has_wheels(row: rows.CudaBuild) -> bool:
    return not isinstance(row, rows.TensorFlowRelease) or row.cuda_wheels


def _of_listed(catalogue: "Catalogue") -> Iterator[tuple[rows.Row, str]]:
    images = [one.image for one in catalogue.images.bases]
    for row in (row for vendor in LISTING for row in catalogue.keras.of(vendor)):
        yield from ((row, f"names the base {one}, which no row has") for one in _absent([row.base], images))


def _absent(wanted: Iterable[str], known: Iterable[str]) -> list[str]:
    have = set(known)
    return [one for one in wanted if one not in have]
