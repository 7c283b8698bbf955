"""Local code as files of the build context: without what .gitignore and .dockerignore leave out."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pathspec import GitIgnoreSpec

from provision.errors import InputError
from provision.files import MIB, read_file
from provision.model.wanted import LocalCode

FOLDER: Final = "project"  # of the context
LIMIT: Final = 256 * MIB  # of all code; a package has some MiB
_IGNORING: Final = (".gitignore", ".dockerignore")
# What no build needs; a folder with pyvenv.cfg is a virtual environment.
_NEVER: Final = frozenset(
    (".git", ".hg", ".svn", "__pycache__", "node_modules", ".venv", ".tox", ".nox", ".mypy_cache", ".pytest_cache")
)


def place_of(code: LocalCode) -> str:
    """Return where code lies in the context: "project/demo", "project/x-1.0-py3-none-any.whl"."""
    path = Path(code.path)
    return f"{FOLDER}/{path.name if code.kind == 'file' else code.name or path.name or 'code'}"


def context_files(local: tuple[LocalCode, ...]) -> dict[str, bytes]:
    """Return the files of local code by their path in the context.

    Links that lead out of a folder are left out.

    Raises:
        InputError: KGE-216, two folders of one name, a file that cannot be read, or more than `LIMIT`.
    """
    found: dict[str, bytes] = {}
    places: dict[str, str] = {}
    size = 0
    for code in local:
        place, path = place_of(code), Path(code.path)
        if places.setdefault(place, code.path) != code.path:
            raise _unfit(
                f"{code.path} and {places[place]} have the same name.", "both would lie at the same place", "rename one"
            )
        for file in (path,) if path.is_file() else _files(path):
            content = _content(file)
            size += len(content)
            if size > LIMIT:
                raise _too_large(path)
            found[place if file == path else f"{place}/{file.relative_to(path).as_posix()}"] = content
    return found


def _files(root: Path) -> Iterator[Path]:
    """Yield the files of a source tree, in order, that no ignore file leaves out."""
    specs: list[tuple[Path, GitIgnoreSpec]] = []
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        specs = [one for one in specs if here.is_relative_to(one[0])]
        specs += [
            (here, _spec(here / name)) for name in _IGNORING if name in names and (name == ".gitignore" or here == root)
        ]
        folders[:] = sorted(one for one in folders if _goes_in(here / one, specs))
        yield from (here / one for one in sorted(names) if _is_kept(here / one, specs, root))


def _goes_in(path: Path, specs: list[tuple[Path, GitIgnoreSpec]]) -> bool:
    if path.name in _NEVER or (path / "pyvenv.cfg").is_file() or path.is_symlink():
        return False
    return not _ignored(path, specs, "/")


def _is_kept(path: Path, specs: list[tuple[Path, GitIgnoreSpec]], root: Path) -> bool:
    if path.name.endswith(".pyc") or not path.is_file():
        return False
    if path.is_symlink() and not path.resolve().is_relative_to(root):
        return False
    return not _ignored(path, specs, "")


def _ignored(path: Path, specs: list[tuple[Path, GitIgnoreSpec]], end: str) -> bool:
    """Tell whether the last ignore file with a word on a path leaves it out; a deeper one comes later."""
    told = [
        result
        for base, spec in specs
        if (result := spec.check_file(f"{path.relative_to(base)}{end}").include) is not None
    ]
    return bool(told and told[-1])


def _spec(path: Path) -> GitIgnoreSpec:
    return GitIgnoreSpec.from_lines(_content(path).decode("utf-8", "replace").splitlines())


def _content(path: Path) -> bytes:
    try:
        return read_file(path, LIMIT)
    except OSError as error:
        raise _unfit(f"{path} cannot be read.", error.strerror or str(error), "name it in .dockerignore") from error


def _too_large(root: Path) -> InputError:
    sizes = {one: sum(file.stat().st_size for file in _files(one)) for one in root.iterdir() if one.is_dir()}
    largest = max(sizes, key=lambda one: sizes[one], default=root)
    cause = f"{largest} alone has {sizes.get(largest, 0) // MIB} MiB"
    return _unfit(
        f"The code at {root} is larger than {LIMIT // MIB} MiB.", cause, "name what no package needs in .dockerignore"
    )


def _unfit(text: str, cause: str, fix: str) -> InputError:
    return InputError("KGE-216", text, cause=cause, fix=fix)
