"""Which files a folder has that say what a project needs, and those of other tools, with what to do."""

from pathlib import Path
from typing import Final

from provision.files import read_file

# In the order in which `init` prefers them: what is exact first.
FOUND: Final = ("pylock.toml", "uv.lock", "requirements.txt", "pyproject.toml")
# Files of tools whose format has no standard: what makes one of it that is read here.
OTHERS: Final = {
    "poetry.lock": "poetry export -f requirements.txt -o requirements.txt, then -r requirements.txt",
    "pdm.lock": "pdm export -o requirements.txt, then -r requirements.txt",
    "Pipfile": "pipenv requirements > requirements.txt, then -r requirements.txt",
    "Pipfile.lock": "pipenv requirements > requirements.txt, then -r requirements.txt",
    "conda-lock.yml": "put the names that are on PyPI into a requirements.txt",
    "pixi.toml": "put what stands there below pypi-dependencies into a requirements.txt",
    "setup.py": "name its folder: -r . takes what it needs, and the code itself",
    "setup.cfg": "name its folder: -r . takes what it needs, and the code itself",
}


def found_in(folder: Path) -> tuple[str, ...]:
    """Return the file of a project's folder to build from, as a tuple of none or one."""
    return next(((name,) for name in FOUND if _is_good(folder / name)), ())


def _is_good(path: Path) -> bool:
    """Tell whether a file is there; a pyproject.toml often holds the settings of tools alone."""
    try:
        return path.is_file() and (path.name != "pyproject.toml" or b"[project]" in read_file(path))
    except OSError:
        return False
