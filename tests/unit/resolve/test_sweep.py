"""The matrix of hosts, what a row decides, and the review of the catalogue."""

import csv
import io
from pathlib import Path

import pytest

from provision.catalogue import Catalogue, load
from provision.cli.tables import csv_table, html_page, text_table
from provision.model import Severity, Vendor
from provision.resolve.review import review
from provision.resolve.sweep import matrix
from provision.resolve.without import effects, named_by, served
from provision.resources import folder

CUDA = matrix(load(), Vendor.CUDA)


def row(name: str) -> dict[str, object]:
    return next(row for row in load().listing().rows if row["id"] == name)


def test_every_driver_meets_every_gpu() -> None:
    assert len(CUDA) == len(load().nvidia.branches) * len(load().nvidia.capabilities)
    hopper = {cell.driver: cell.framework for cell in CUDA if cell.gpu == "sm_90"}
    assert hopper["550.54.14"] == "2.18.1"
    assert hopper["555.42.02"] == "2.21.0"


def test_the_three_forms_say_the_same() -> None:
    lines = text_table(CUDA).splitlines()
    assert lines[0].split() == ["driver", *dict.fromkeys(cell.gpu for cell in CUDA)]
    assert len(lines) == len(load().nvidia.branches) + 1
    assert [one["summary"] for one in csv.DictReader(io.StringIO(csv_table(CUDA)))] == [one.summary for one in CUDA]
    page = html_page([("<NVIDIA>", CUDA)], "2026-11-23")
    assert page.count("<tr>") == len(load().nvidia.branches) + 1
    assert "&lt;NVIDIA&gt;" in page
    assert not [word for word in ("http:", "https:", "src=", "<script") if word in page]


def test_a_release_decides_the_hosts_that_nothing_newer_serves() -> None:
    found = effects(load(), "releases", "tensorflow-2.18.1")
    assert [(one.gpu, one.driver) for one in found] == [("sm_90", "545.23.06"), ("sm_90", "550.54.14")]
    assert "2.17.1" in found[0].without
    assert effects(load(), "releases", "tensorflow-2.17.1") == ()


def test_rows_that_others_name_tell_them() -> None:
    assert "tensorflow-2.21.0" in named_by(load(), "cudnn", row("cudnn-9.10.2.21"))
    assert named_by(load(), "wheels", row("wheels-cu11-11.8.0")) == ("tensorflow-2.14.1",)
    assert "rocm7.2-tf2.20" in named_by(load(), "rocm", row("rocm-7.2"))


@pytest.mark.parametrize(("table", "name"), [("branches", "r550"), ("capabilities", "cc-9.0"), ("targets", "gfx942")])
def test_a_driver_or_gpu_tells_what_it_gives(table: str, name: str) -> None:
    assert any(cell.framework for cell in served(load(), table, row(name)))


def changed(tmp_path: Path, old: str, new: str) -> Catalogue:
    for file in folder("images").glob("*.yaml"):
        text = file.read_text()
        (tmp_path / file.name).write_text(text.replace(old, new, 1) if old in text else text)
    return Catalogue(tmp_path)


def test_the_shipped_catalogue_has_no_error() -> None:
    found = review(load(), "2026-11-29")
    assert {one.severity for one in found} == {Severity.INFO}
    assert not [one for one in found if one.code == "KGE-256" and one.text.startswith("releases")]
    # Whatever is left has its reason: a note, or the rule that keeps every host from it.
    assert not [one.text for one in found if one.code == "KGE-255" and "no reason given" in one.text]
    useless = {one.text.split(", ")[1].split(":")[0]: one.text for one in found if one.code == "KGE-256"}
    assert useless["cuda-12.9.1-ubuntu20.04"].endswith("breaks python")
    assert useless["cuda-12.4.1-ubuntu22.04"].endswith("breaks cudnn-version")
    assert useless["rocm10.1-tf2.21"].endswith("breaks driver-window")


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
    found = review(changed(tmp_path, old, new), "2026-11-24", reach=False)
    assert code in {one.code for one in found if one.severity is Severity.ERROR}


def test_old_rows_are_told() -> None:
    found = [one for one in review(load(), "2027-06-01", reach=False) if one.code == "KGE-251"]
    assert len(found) == sum(1 for _ in load().all_rows())
