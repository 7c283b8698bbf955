"""A pylock.toml (PEP 751) as requirements: exact, each with the hashes of its files."""

from collections.abc import Iterator
from pathlib import Path

from packaging.pylock import Package, Pylock, PylockUnsupportedVersionError, PylockValidationError

from provision.model.wanted import Entry
from provision.requirements.problems import unreadable, unusable
from provision.requirements.pyproject import table


def entries(path: Path) -> tuple[tuple[Entry, ...], tuple[tuple[str, str], ...]]:
    """Return the packages of a lock as requirements, and its local folders and archives: path and source of each.

    Raises:
        InputError: KGE-616, it cannot be read or is no lock; KGE-617, a package that cannot be used.
    """
    try:
        found = Pylock.from_dict(table(path))
    except (PylockValidationError, PylockUnsupportedVersionError) as error:
        raise unreadable(
            f"{path} is no pylock.toml.", str(error)[:200], "lock it anew: uv export --format pylock.toml"
        ) from error
    places = tuple((place, f"{path.name}, {one.name}") for one in found.packages if (place := _place(one)))
    return tuple(_entries(path, found)), places


def _entries(path: Path, lock: Pylock) -> Iterator[Entry]:
    for one in lock.packages:
        source = f"{path.name}, {one.name}"
        marker = f" ; {one.marker}" if one.marker else ""
        if one.vcs and one.vcs.url:
            folder = f"#subdirectory={one.vcs.subdirectory}" if one.vcs.subdirectory else ""
            text = f"{one.name} @ {one.vcs.type}+{one.vcs.url}@{one.vcs.commit_id}{folder}"
            yield Entry(text=text + marker, source=source)
        elif one.archive and one.archive.url:
            yield Entry(text=f"{one.name} @ {one.archive.url}{marker}", source=source, hashes=_hashes(one))
        elif one.version is not None:
            yield Entry(text=f"{one.name}=={one.version}{marker}", source=source, hashes=_hashes(one))
        elif _place(one) is None:
            raise unusable(source, one.name, "it has neither a version nor a place", "lock it anew")


def _hashes(one: Package) -> tuple[str, ...]:
    files = [*(one.wheels or ()), *((one.sdist,) if one.sdist else ()), *((one.archive,) if one.archive else ())]
    return tuple(f"sha256:{file.hashes['sha256']}" for file in files if "sha256" in file.hashes)


def _place(one: Package) -> str | None:
    if one.directory:
        return one.directory.path
    return one.archive.path if one.archive else None
