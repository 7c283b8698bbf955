"""No folder of tests is left out of a plain `pytest`."""

from pathlib import Path

import msgspec.toml

ROOT = Path(__file__).parents[2]


def test_every_folder_with_tests_is_run() -> None:
    listed = msgspec.toml.decode((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["testpaths"]
    found = {str(path.relative_to(ROOT).parent.as_posix()) for path in (ROOT / "tests").rglob("test_*.py")}
    assert not {folder for folder in found if not any(f"{folder}/".startswith(f"{one}/") for one in listed)}
