"""Finds `images/` and `templates/`: inside the package in a wheel, beside it in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """Return the folder of data files called `name` ("images" or "templates").

    Raises:
        FileNotFoundError: the installation lacks the folder.
    """
    for place in (_PACKAGE / name, _PACKAGE.parent / name):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"{name}/ is missing from this installation of kgpu-env; reinstall it")
