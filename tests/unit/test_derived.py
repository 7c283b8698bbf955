"""Committed files that derive from the code are up to date: Dockerfiles, explanations, schemas."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def _regenerate() -> ModuleType:
    sys.path.insert(0, str(ROOT / "tests"))  # as for the script, which has others beside it
    try:
        return importlib.import_module("regenerate")
    finally:
        sys.path.pop(0)


regenerate = _regenerate()
DERIVED: dict[Path, Callable[[], dict[Path, str]]] = regenerate.derived()


@pytest.mark.parametrize("name", DERIVED, ids=lambda path: str(path.relative_to(ROOT)))
def test_is_up_to_date(name: Path) -> None:
    found = DERIVED[name]()
    for path, text in found.items():
        assert path.exists(), f"missing; run: {regenerate.COMMAND}"
        assert path.read_text() == text, f"stale; look at the difference, then run: {regenerate.COMMAND}"
    if name.is_dir():
        assert {path for path in name.rglob("*") if path.is_file()} == set(found), "left over"


@pytest.mark.parametrize("folder", ["dockerfiles", "explained", "matrix"])
def test_nothing_is_left_over(folder: str) -> None:
    assert set((ROOT / "tests" / "data" / folder).iterdir()) <= set(DERIVED)


def test_no_export_is_left_over() -> None:
    exports = ROOT / "tests" / "data" / "exports"
    assert {path for host in exports.iterdir() for path in host.iterdir()} <= set(DERIVED)


@pytest.mark.parametrize("folder", ["dockerfiles", "explained"])
def test_a_row_that_no_file_can_digest_stops_none_of_the_others(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise regenerate.StaleLockError("a lock has not the wheels of a new row")

    monkeypatch.setattr(regenerate, "load", broken)
    found = regenerate.derived()  # what pytest does while it collects
    assert set(found) == set(DERIVED)
    with pytest.raises(regenerate.StaleLockError):
        next(files for path, files in found.items() if path.parent.name == folder)()


def test_at_least_twelve_stacks_have_a_golden_dockerfile() -> None:
    assert len(regenerate.GOLDEN) >= 12


def test_at_least_forty_hosts_are_explained() -> None:
    assert len(list((ROOT / "tests" / "data" / "hosts").glob("*.json"))) >= 40
