"""The matrix of hosts, what a row decides, and the review of the catalogue."""

import csv
import io
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from provision.catalogue import Catalogue, load, rows
from provision.cli.formatting.matrix import csv_table, html_page, text_table
from provision.model import Severity, Vendor, version_key
from provision.model.matrix import Cell
from provision.resolve.catalogue_check import review
from provision.resolve.matrix import effects, matrix, named_by, served
from provision.resolve.suggestions import rank
from provision.resolve.vendors import BACKENDS

DATA = Path(__file__).parents[2] / "data"
MINIATURE = load(DATA / "catalogue")
CHECKED = DATA / "checked.txt"
CUDA = matrix(MINIATURE, Vendor.CUDA)


def row(name: str) -> dict[str, object]:
    return next(row for row in MINIATURE.listing().rows if row["id"] == name)


def test_every_driver_meets_every_gpu() -> None:
    assert len(CUDA) == len(MINIATURE.nvidia.branches) * len(MINIATURE.nvidia.capabilities)
    hopper = {cell.driver: cell.framework for cell in CUDA if cell.gpu == "sm_90"}
    assert hopper["550.54.14"] == "2.18.1"
    assert hopper["555.42.02"] == "2.21.0"


def test_the_three_forms_say_the_same() -> None:
    lines = text_table(CUDA).splitlines()
    assert lines[0].split() == ["driver", *dict.fromkeys(cell.gpu for cell in CUDA)]
    assert len(lines) == len(MINIATURE.nvidia.branches) + 1
    assert [one["summary"] for one in csv.DictReader(io.StringIO(csv_table(CUDA)))] == [one.summary for one in CUDA]
    page = html_page([("<NVIDIA>", CUDA)], "2026-11-23")
    assert page.count("<tr>") == len(MINIATURE.nvidia.branches) + 1
    assert "&lt;NVIDIA&gt;" in page
    assert not [word for word in ("http:", "https:", "src=", "<script") if word in page]


def test_a_release_decides_the_hosts_that_nothing_newer_serves() -> None:
    found = effects(MINIATURE, "releases", "tensorflow-2.18.1")
    assert [(one.gpu, one.driver) for one in found] == [("sm_90", "545.23.06"), ("sm_90", "550.54.14")]
    assert "2.16.2" in found[0].without
    assert effects(MINIATURE, "releases", "tensorflow-2.20.0") == ()


def test_rows_that_others_name_tell_them() -> None:
    assert "tensorflow-2.21.0" in named_by(MINIATURE, "cudnn", row("cudnn-9.10.2.21"))
    assert named_by(MINIATURE, "wheels", row("wheels-cu11-11.8.0")) == ("tensorflow-2.14.1",)
    assert "rocm7.2-tf2.20" in named_by(MINIATURE, "rocm", row("rocm-7.2"))


@pytest.mark.parametrize(("table", "name"), [("branches", "r550"), ("capabilities", "cc-9.0"), ("targets", "gfx942")])
def test_a_driver_or_gpu_tells_what_it_gives(table: str, name: str) -> None:
    assert any(cell.framework for cell in served(MINIATURE, table, row(name)))


def changed(tmp_path: Path, old: str, new: str) -> Catalogue:
    for file in MINIATURE.directory.glob("*.yaml"):
        text = file.read_text()
        (tmp_path / file.name).write_text(text.replace(old, new, 1) if old in text else text)
    return Catalogue(tmp_path)


def test_what_no_host_gets_is_told_with_the_rule_in_its_way() -> None:
    found = review(MINIATURE, "2026-11-29")
    assert {one.severity for one in found} == {Severity.INFO}
    assert not [one for one in found if one.code == "KGE-256" and one.text.startswith("releases")]
    useless = {one.text.split(", ")[1].split(":")[0]: one.text for one in found if one.code == "KGE-256"}
    assert useless["cuda-12.3.2-ubuntu22.04"].endswith("breaks cudnn-version")
    assert useless["cuda-12.9.1-ubuntu20.04"].endswith("breaks python")
    assert useless["rocm10.1-tf2.21"].endswith("breaks driver-window")


def test_the_shipped_catalogue_has_no_error() -> None:
    # What else `catalogue check` finds there is in tests/data/checked.txt, which test_derived.py holds.
    found = [line.split(" ", 2) for line in CHECKED.read_text().splitlines()]
    assert {severity for severity, _, _ in found} <= {"info", "warning"}
    assert not [text for _, code, text in found if code == "KGE-256" and text.startswith("releases")]
    # Whatever is left has its reason: a note, or the rule that keeps every host from it.
    assert not [text for _, code, text in found if code == "KGE-255" and "no reason given" in text]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('version: "12.8.1", driver: "570.124.06"', 'version: "12.8.1", driver: "470.1"', "KGE-253"),
        ('branch: "555", cuda: "12.5"', 'branch: "555", cuda: "12.1"', "KGE-253"),
        ('version: "12.8.0", driver', 'version: "12.8.1", driver', "KGE-254"),
        ('checked: "2026-11-22"', 'checked: "2027-11-22"', "KGE-252"),
    ],
)
def test_a_contradiction_is_an_error(tmp_path: Path, old: str, new: str, code: str) -> None:
    found = review(changed(tmp_path, old, new), "2026-11-29", reach=False)
    assert code in {one.code for one in found if one.severity is Severity.ERROR}


def test_old_rows_are_told() -> None:
    found = [one for one in review(MINIATURE, "2027-06-01", reach=False) if one.code == "KGE-251"]
    assert len(found) == sum(1 for _ in MINIATURE.all_rows())


SHIPPED = load()
MAKERS = (Vendor.CUDA, Vendor.ROCM)


@cache  # not while pytest collects, which each of its processes does
def grid(vendor: Vendor) -> tuple[Cell, ...]:
    return matrix(SHIPPED, vendor)


def age(cell: Cell) -> tuple[int, tuple[int, ...]]:
    """How preferred and how new the stack of a cell is; no stack is below all."""
    if not cell.framework:
        return (-len(BACKENDS), ())
    backend = next(one for one in BACKENDS if one == cell.backend)
    return (rank(backend), version_key(cell.framework.split()[-1]))


def test_the_grid_has_the_gpus_and_drivers_of_both_makers() -> None:
    for cells in map(grid, MAKERS):
        assert len({cell.gpu for cell in cells}) >= 23
        assert len({cell.driver for cell in cells}) >= 14


@pytest.mark.parametrize("vendor", MAKERS)
def test_a_newer_driver_never_gives_an_older_stack(vendor: Vendor) -> None:
    last = {f"sm_{row.capability.replace('.', '')}": row.last_branch for row in SHIPPED.nvidia.capabilities}
    builds: list[rows.TargetBuild | rows.KerasTarget] = [*SHIPPED.amd.builds, *SHIPPED.keras.of(Vendor.ROCM)]
    built = {row.series: {gpu for one in builds if one.series == row.series for gpu in one.targets} for row in builds}
    has = {row.series: {*row.targets, *row.unlisted} & built.get(row.series, set()) for row in SHIPPED.amd.series}
    runs = {row.release: has.keys() & set(row.series) for row in SHIPPED.amd.drivers}
    fell: list[str] = []
    for gpu in dict.fromkeys(cell.gpu for cell in grid(vendor)):
        column = [cell for cell in grid(vendor) if cell.gpu == gpu]
        ends = last.get(gpu)
        driven = [cell for cell in column if not ends or int(cell.driver.split(".")[0]) <= int(ends)]
        # Drivers of AMD's leave old releases of ROCm behind, and with them the GPUs that only those have.
        driven = [cell for cell in driven if vendor is Vendor.CUDA or any(gpu in has[one] for one in runs[cell.driver])]
        fell += [
            f"{gpu}: {older.driver} gives {older.summary}, {newer.driver} {newer.summary or 'nothing'}"
            for older, newer in pairwise(driven)
            if age(newer) < age(older)
        ]
        assert not [cell.driver for cell in column if cell not in driven and cell.framework], gpu
    assert fell == []
