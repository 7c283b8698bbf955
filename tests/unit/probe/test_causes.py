"""Hosts whose cause lies on disk: each tree gives its codes, and one of them is to be mended first."""

import gzip
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trees
from trees import ROWS

from provision import api
from provision.model import Host, Severity
from provision.model.ladder import LADDER, primary
from provision.probe.causes import CAUSES

TREES = Path(__file__).parents[2] / "data" / "trees"
NOTES = {f"KGE-{number}" for number in range(120, 160)}


BROKEN = [row for row in ROWS if "primary" in row]


def probe(root: Path, row: dict[str, Any]) -> Host:
    trees.causes.build(trees.make, root, row)
    return api.probe_host(root)


def wrong(host: Host) -> list[str]:
    return sorted({finding.code for finding in host.findings if finding.severity is not Severity.INFO})


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_tree_gives_its_codes(probed: Callable[[str], Host], row: dict[str, Any]) -> None:
    host = probed(row["name"])
    assert wrong(host) == sorted(row["codes"]), [finding.text for finding in host.findings]
    notes = {finding.code for finding in host.findings if finding.severity is Severity.INFO and finding.code in NOTES}
    assert notes == set(row.get("info", ()))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_one_finding_is_to_be_mended_first(probed: Callable[[str], Host], row: dict[str, Any]) -> None:
    first = primary(probed(row["name"]).findings)
    assert (first.code if first else None) == row.get("primary")


@pytest.mark.parametrize("row", BROKEN, ids=lambda row: row["name"])
def test_it_names_cause_and_mend(probed: Callable[[str], Host], row: dict[str, Any]) -> None:
    first = primary(probed(row["name"]).findings)
    assert first
    assert [word for word in row["says"] if word not in first.text] == [], first.text
    assert [word for word in row["mends"] if word not in first.fix] == [], first.fix


@pytest.mark.parametrize("name", trees.make.TREES)
def test_no_other_tree_has_a_cause(probed: Callable[[str], Host], name: str) -> None:
    assert [code for code in wrong(probed(name)) if code in NOTES] == []


def test_what_cannot_be_read_is_not_known_and_said_where_a_gpu_does_not_work(tmp_path: Path) -> None:
    """A directory in a file's place cannot be read even by root, who runs tests in containers."""
    row = {"gpus": [["0000:03:00.0", "1002:744c", "", ""]]}
    (tmp_path / "proc/cmdline").mkdir(parents=True)
    host = probe(tmp_path, row)
    found = {finding.code: finding.text for finding in host.findings}
    assert set(found) == {"KGE-103", "KGE-151"}
    assert "/proc/cmdline" in found["KGE-151"]


def test_a_module_that_is_packed_tells_its_version(tmp_path: Path) -> None:
    row = next(row for row in ROWS if row["name"] == "nv-debian12-libraries-525-module-520")
    plain = bytes.fromhex(next(iter(row["hex"].values())))
    for suffix, packed in ((".xz", lzma.compress(plain)), (".gz", gzip.compress(plain)), (".xz", b"broken")):
        root = tmp_path / f"{suffix}{len(packed)}"
        trees.causes.build(trees.make, root, {**row, "hex": {}})
        path = root / f"lib/modules/{row['kernel']}/updates/dkms/nvidia-current.ko{suffix}"
        path.parent.mkdir(parents=True)
        path.write_bytes(packed)
        assert wrong(api.probe_host(root)) == (["KGE-106"] if packed == b"broken" else ["KGE-127"])


def test_each_row_has_its_source() -> None:
    assert [row["name"] for row in ROWS if not row.get("source")] == []
    assert len({row["name"] for row in ROWS}) == len(ROWS)


def test_the_table_names_what_its_readers_find() -> None:
    """A code that a tree gave is in the table, and on the ladder unless it is a note alone."""
    named = {code for cause in CAUSES for code in cause.codes}
    given = {code for row in ROWS for code in (*row["codes"], *row.get("info", ())) if code in NOTES}
    assert given <= named
    assert named - given == set()
    assert {code for row in ROWS for code in row["codes"]} <= set(LADDER)
