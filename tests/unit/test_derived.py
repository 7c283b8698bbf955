"""Committed files that derive from the code are up to date: Dockerfiles, explanations, schemas."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from provision.resolve.rule_names import RuleName

ROOT = Path(__file__).parents[2]


def _regenerate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("regenerate", ROOT / "tests" / "regenerate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["regenerate"] = module
    spec.loader.exec_module(module)
    return module


regenerate = _regenerate()
DERIVED: dict[Path, str] = regenerate.derived()


@pytest.mark.parametrize("path", DERIVED, ids=lambda path: str(path.relative_to(ROOT)))
def test_is_up_to_date(path: Path) -> None:
    assert path.exists(), f"missing; run: {regenerate.COMMAND}"
    assert path.read_text() == DERIVED[path], f"stale; look at the difference, then run: {regenerate.COMMAND}"


@pytest.mark.parametrize("folder", ["tests/data/dockerfiles", "tests/data/explained"])
def test_nothing_is_left_over(folder: str) -> None:
    assert set((ROOT / folder).iterdir()) <= set(DERIVED)


def test_at_least_twelve_stacks_have_a_golden_dockerfile() -> None:
    assert len(regenerate.GOLDEN) >= 12


def test_at_least_forty_hosts_are_explained() -> None:
    assert len(list((ROOT / "tests" / "data" / "hosts").glob("*.json"))) >= 40


def test_the_explanations_show_every_rule_that_the_catalogue_can_break() -> None:
    told = "".join(path.read_text() for path in (ROOT / "tests" / "data" / "explained").iterdir())
    # No base of the catalogue has a C library that old, and no house rule is shipped: tests/unit/resolve reaches
    # these two with rows of its own.
    assert {name for name in RuleName if not re.search(rf"^ +{name}( \[|$)", told, re.MULTILINE)} == {"glibc", "house"}
