"""No folder of tests is left out of a plain `pytest`."""

from fnmatch import fnmatch
from pathlib import Path

import msgspec.toml
import pytest

ROOT = Path(__file__).parents[2]


def test_every_folder_with_tests_is_run() -> None:
    listed = msgspec.toml.decode((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["testpaths"]
    found = {str(path.relative_to(ROOT).parent.as_posix()) for path in (ROOT / "tests").rglob("test_*.py")}
    assert not {folder for folder in found if not any(f"{folder}/".startswith(f"{one}/") for one in listed)}


def test_no_folder_has_a_name_that_pytest_passes_over(request: pytest.FixtureRequest) -> None:
    passed_over = request.config.getini("norecursedirs")  # "build" among them
    folders = {path.parent for path in (ROOT / "tests").rglob("test_*.py")}
    names = {part for folder in folders for part in folder.relative_to(ROOT).parts}
    assert not [name for name in names if any(fnmatch(name, pattern) for pattern in passed_over)]
