"""Finds `images/` and `templates/`: inside the package in a wheel, beside it in a checkout. And keeps copies."""

import contextlib
import os
from collections.abc import Mapping
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


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return where copies are kept that only save time; it may be removed at any moment."""
    home = environment.get("XDG_CACHE_HOME", "")
    return (Path(home) if home.startswith("/") else Path.home() / ".cache") / "kgpu-env"


def keep(copy: Path, content: bytes) -> None:
    """Write a cache file whole or not at all; a folder that cannot be written only means no cache."""
    beside = copy.with_name(f"{copy.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        copy.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        beside.replace(copy)
