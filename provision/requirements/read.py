"""Reads the files that people name with --requirements, whatever their kind, into one value."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from msgspec.structs import replace
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

from provision.catalogue.sections import Packages
from provision.files import MIB, read_file
from provision.model.wanted import Entry, LocalCode, Wanted
from provision.requirements import conda, pylock, pyproject
from provision.requirements.found import OTHERS
from provision.requirements.lines import ARCHIVES, Line, lines
from provision.requirements.problems import outside, unreadable, unusable

LIMIT: Final = 4 * MIB
_DEEPEST: Final = 16  # includes of includes
_NAMED = re.compile(r"^(?P<path>.*?)(\[(?P<extras>[A-Za-z0-9:._,\s-]+)\])?$", re.DOTALL)
Export = Callable[[Path, Sequence[str]], str]  # a uv.lock with extras and groups, as a requirements file
_NAME_END: Final = r"[^A-Za-z0-9._-]"


def wanted(
    packages: Sequence[str], files: Sequence[str], root: Path, export: Export, known: Packages | None = None
) -> Wanted:
    """Return all that is asked for: single requirements, and files.

    Args:
        packages: PEP 508 requirements.
        files: as they are written: "requirements.txt", "pyproject.toml[train]", ".".
        root: the folder that paths may not leave; files of other folders stay in their own.
        export: asks uv for what is in a uv.lock.
        known: indexes of frameworks and names of conda; without it a conda environment is refused.

    Raises:
        InputError: KGE-616 to KGE-619, a file or a line of it that cannot be used.
    """
    found = Wanted(entries=tuple(Entry(text=text, source=f"--package {text}") for text in packages))
    for word in files:
        found += read(word, root, export, known)
    return found


def read(word: str, root: Path, export: Export, known: Packages | None = None) -> Wanted:
    """Return what one file asks for; the arguments are those of `wanted`."""
    path, extras = _split(word)
    inside = root.resolve()
    if not path.resolve().is_relative_to(inside):
        inside = path.resolve() if path.is_dir() else path.resolve().parent
    return Reading(inside, export, known).file(path, extras, word)


class Reading:
    """One file with all that it includes."""

    def __init__(self, root: Path, export: Export, known: Packages | None = None) -> None:
        self._root, self._export, self._known = root, export, known
        self._open: list[Path] = []  # the files that are being read, the outermost first

    def file(self, path: Path, extras: Sequence[str], source: str) -> Wanted:
        """Return what a file or folder asks for."""
        real = self._inside(path, source)
        if real.is_dir() or real.name.endswith(ARCHIVES):
            return self._local(real, extras, source)
        if self._known and path.suffix in {".yml", ".yaml"} and not extras:
            return self._conda(real, self._known)
        if path.name in OTHERS:
            raise unreadable(f"{path} is not read.", "its format belongs to one tool", OTHERS[path.name])
        if path.name == "pyproject.toml":
            return self._pyproject(real, extras)
        if path.name == "uv.lock":
            _content(real)  # that it is there
            marked = pyproject.marked(real.with_name("pyproject.toml"), extras) if extras else ()
            found = _locked(self._text(self._export(real, marked), real, constraint=False))
            named = (replace(one, source=f"uv.lock, {re.split(_NAME_END, one.text)[0]}") for one in found.entries)
            return replace(found, entries=tuple(named))  # the lines are those of an export that nobody sees
        if path.name == "pylock.toml" or re.fullmatch(r"pylock\.[^.]+\.toml", path.name):
            return _locked(self._pylock(real))
        if extras:
            raise unusable(
                source, source, "extras are of a pyproject.toml, a uv.lock or a folder", f"name {path} alone"
            )
        return self._text(_content(real), real, constraint=False)

    def _inside(self, path: Path, source: str) -> Path:
        try:
            real = path.resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise unreadable(f"{source}: {path} cannot be read.", str(error), "name a file that is there") from error
        if not real.is_relative_to(self._root):
            raise outside(source, str(path), str(self._root))
        return real

    def _text(self, text: str, path: Path, *, constraint: bool) -> Wanted:
        if path in self._open or len(self._open) >= _DEEPEST:
            cause = " includes ".join(one.name for one in (*self._open, path))
            raise unusable(self._open[-1].name, path.name, cause, "take one of the includes out")
        self._open.append(path)
        found = Wanted()
        for line in lines(text, path.name, self._known.indexes if self._known else ()):
            found += self._line(line, path.parent, constraint=constraint)
        self._open.pop()
        return found

    def _line(self, line: Line, folder: Path, *, constraint: bool) -> Wanted:
        match line.kind:
            case "requirement":
                return Wanted(constraints=(line.entry,)) if constraint else Wanted(entries=(line.entry,))
            case "include" | "constraint":
                return self._include(line, folder, constraint=constraint or line.kind == "constraint")
            case "path":
                path, extras = _split(line.text.removeprefix("file://").removeprefix("file:"))
                return self.file(folder / path, extras, line.source)
            case "prereleases":
                return Wanted(prereleases=True)
            case "note":
                return Wanted(notes=(f"{line.source}: {line.text}",))
            case _:
                return Wanted(notes=(f"{line.source}: {line.text} is for an installer and changes nothing here",))

    def _include(self, line: Line, folder: Path, *, constraint: bool) -> Wanted:
        if "://" in line.text:
            raise unusable(
                line.source, line.text, "a file of another machine can change at any time", "keep a copy here"
            )
        path = self._inside(folder / line.text, line.source)
        if not constraint:
            return self.file(path, (), line.source)
        return self._text(_content(path), path, constraint=True)

    def _pyproject(self, path: Path, extras: Sequence[str]) -> Wanted:
        python = pyproject.requires_python(path)
        source = f"{path.name}, requires-python"
        found = Wanted(python=(Entry(text=python, source=source),) if python else ())
        indexes = self._known.indexes if self._known else ()
        for text, where in pyproject.requirements(path, extras, indexes):
            for line in lines(text, where, indexes):
                found += self._line(line._replace(source=where), path.parent, constraint=False)
        return found

    def _conda(self, path: Path, known: Packages) -> Wanted:
        found = Wanted()
        for one in conda.parts(_content(path), path.name, known.conda):
            if one.pip is None:
                found += one.wanted
                continue
            for line in lines(one.pip, path.name, known.indexes):
                source = f"{path.name}, pip"
                found += self._line(line._replace(source=source), path.parent, constraint=False)
        return found

    def _pylock(self, path: Path) -> Wanted:
        entries, places = pylock.entries(path)
        found = Wanted(entries=entries)
        for place, source in places:
            found += self.file(path.parent / place, (), source)
        return found

    def _local(self, path: Path, extras: Sequence[str], source: str) -> Wanted:
        if path.is_file():
            name, version = _of_archive(path, source)
            code = LocalCode(
                path=str(path), kind="file", name=name, version=version, extras=tuple(extras), source=source
            )
            return Wanted(local=(code,))
        told = pyproject.name_of(path / "pyproject.toml") if (path / "pyproject.toml").is_file() else None
        if told is None:
            return Wanted(local=(self._to_be_asked(path, extras, source),))
        code = LocalCode(path=str(path), kind="folder", name=told[0], version=told[1], source=source, told=True)
        return Wanted(local=(code,)) + self._pyproject(path / "pyproject.toml", extras)

    def _to_be_asked(self, path: Path, extras: Sequence[str], source: str) -> LocalCode:
        """Return a folder whose metadata is known when it is built, and not before: uv asks its build back end."""
        if not any((path / name).is_file() for name in ("pyproject.toml", "setup.py", "setup.cfg")):
            if not path.is_dir():
                raise unreadable(f"{source}: {path} cannot be read.", "it is not there", "name a file that is there")
            cause = "it is a folder without pyproject.toml or setup.py"
            raise unreadable(f"{source}: {path} is no project.", cause, "name the requirements file in it")
        return LocalCode(path=str(path), kind="folder", name="", extras=tuple(extras), source=source)


def _locked(found: Wanted) -> Wanted:
    return replace(found, entries=tuple(replace(one, locked=True) for one in found.entries))


def _content(path: Path) -> str:
    try:
        content = read_file(path, LIMIT)
    except OSError as error:
        raise unreadable(
            f"{path} cannot be read.", error.strerror or str(error), "name a file that is there"
        ) from error
    for encoding in ("utf-8-sig", "utf-16") if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise unreadable(f"{path} is no text.", "it is not written in UTF-8", "name the project's requirements file")


def _of_archive(path: Path, source: str) -> tuple[str, str]:
    try:
        if path.suffix == ".whl":
            name, version, _, _ = parse_wheel_filename(path.name)
        else:
            name, version = parse_sdist_filename(path.name)
    except (InvalidWheelFilename, InvalidSdistFilename) as error:
        raise unusable(source, path.name, str(error), "name the file as its build tool did") from error
    return name, str(version)


def _split(word: str) -> tuple[Path, tuple[str, ...]]:
    """Return a path and the extras behind it: "pyproject.toml[train,dev]"."""
    found = _NAMED.match(word)
    if found is None:  # the pattern takes every text
        return Path(word), ()
    extras = tuple(one.strip() for one in (found["extras"] or "").split(",") if one.strip())
    return Path(found["path"]).expanduser() if found["path"].startswith("~") else Path(found["path"]), extras
