"""What a pyproject.toml says that its project needs: `[project]`, its extras, and dependency groups (PEP 735)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import msgspec.toml  # tomllib, or on Python 3.10 tomli
from packaging.dependency_groups import resolve_dependency_groups
from packaging.errors import ExceptionGroup  # on Python 3.10, too
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from provision.catalogue.rows import FrameworkIndex
from provision.errors import nearest
from provision.files import read_file
from provision.requirements.problems import other_index, unreadable, unusable

_POETRY: Final = "poetry export -f requirements.txt -o requirements.txt, then -r requirements.txt"


def table(path: Path) -> dict[str, Any]:
    """Return a TOML file.

    Raises:
        InputError: KGE-616, it cannot be read, or is no TOML.
    """
    try:
        found = msgspec.toml.decode(read_file(path))
    except OSError as error:
        raise unreadable(
            f"{path} cannot be read.", error.strerror or str(error), "name a file that is there"
        ) from error
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError) as error:
        raise unreadable(f"{path} is no TOML.", str(error)[:200], "mend the line that is told") from error
    return found if isinstance(found, dict) else {}


def requirements(
    path: Path, wanted: Sequence[str], indexes: Sequence[FrameworkIndex] = ()
) -> Iterator[tuple[str, str]]:
    """Yield the requirements of a project with where each stands: "pyproject.toml, dependencies".

    Paths stay relative to the file's folder: "demo @ ./demo".

    Args:
        path: of the pyproject.toml.
        wanted: extras and groups: "train", and "group:train" where both have the name.
        indexes: those of frameworks, which a stack brings: a source that names one is left out.

    Raises:
        InputError: KGE-616, it tells no dependencies; KGE-617, one of them, or a name, cannot be used; KGE-618, a
            source that changes the index.
    """
    read = table(path)
    project = read.get("project")
    groups = _mapping(read.get("dependency-groups"))
    if not isinstance(project, dict):
        if not wanted or not groups:
            raise _no_project(path, read)
        project = {}
    places = [("dependencies", _strings(path, "dependencies", project.get("dependencies", [])))]
    if "dependencies" in project.get("dynamic", []):
        places = [("dynamic dependencies", ())]
        yield from _dynamic(path, read)
    extras = {_normal(name): one for name, one in _mapping(project.get("optional-dependencies")).items()}
    for name in wanted:
        places.append((name, _chosen(path, name, extras, groups)))
    sources = {_normal(name): one for name, one in _mapping(_tool(read, "uv").get("sources")).items()}
    left = _left_out(_tool(read, "uv").get("index"), indexes)
    own = _Project(path, _normal(str(project.get("name", ""))), extras, sources, left)
    for place, texts in places:
        for text in texts:
            yield from own.spelt(text, f"{path.name}, {place}")


def marked(path: Path, wanted: Sequence[str]) -> tuple[str, ...]:
    """Return extras and groups as they are written, a group that no extra is named like as "group:NAME"."""
    read = table(path)
    groups = {_normal(name) for name in _mapping(read.get("dependency-groups"))}
    extras = {_normal(name) for name in _mapping(_mapping(read.get("project")).get("optional-dependencies"))}
    return tuple(f"group:{name}" if _normal(name) in groups - extras else name for name in wanted)


def requires_python(path: Path) -> str | None:
    """Return the Pythons that a project names: ">=3.10"."""
    found = _mapping(table(path).get("project")).get("requires-python")
    return found if isinstance(found, str) else None


def name_of(path: Path) -> tuple[str, str] | None:
    """Return a project's name and version ("0": told when it is built); None where its tables tell no dependencies."""
    read = table(path)
    project = _mapping(read.get("project"))
    name, dynamic = project.get("name"), project.get("dynamic", [])
    if not isinstance(name, str) or ("dependencies" in dynamic and not _dynamic_files(read)):
        return None
    version = project.get("version", "0")
    return name, version if isinstance(version, str) else "0"


class _Project(NamedTuple):
    """What spells a requirement out: the project's own name and extras, and uv's table of sources."""

    path: Path
    name: str
    extras: Mapping[str, Any]
    sources: Mapping[str, Any]
    left: frozenset[str]  # indexes of frameworks, by their names in the file

    def spelt(self, text: str, where: str) -> Iterator[tuple[str, str]]:
        """Yield a requirement as the table of sources redirects it; of the project's own extras what they hold."""
        try:
            found = Requirement(text)
        except InvalidRequirement as error:
            cause = str(error).splitlines()[0]
            raise unusable(where, text, cause, 'write it as PEP 508 does: "pandas>=2.2"') from error
        if self.name and _normal(found.name) == self.name:
            for extra in sorted(found.extras):
                for one in _strings(self.path, extra, self.extras.get(_normal(extra), [])):
                    yield from self._replace(extras={}).spelt(one, where)  # an extra of an extra is not followed
            return
        told = self.sources.get(_normal(found.name))
        source = _mapping(next(iter(told), None) if isinstance(told, list) else told)
        if source.get("index") in self.left:
            source = {}
        yield (self._redirected(found, source, where) if source else text), where

    def _redirected(self, found: Requirement, source: Mapping[str, Any], where: str) -> str:
        if "index" in source:
            raise other_index(f"{where}: {found.name}", "its index in tool.uv.sources")
        address = _address(source)
        if address is None:
            fix = "name it by path, git or url"
            raise unusable(where, str(found), "its source in tool.uv.sources is none that is read here", fix)
        extra = f"[{','.join(sorted(found.extras))}]" if found.extras else ""
        marker = f" ; {found.marker}" if found.marker else ""
        return f"{found.name}{extra} @ {address}{marker}"


def _left_out(listed: object, indexes: Sequence[FrameworkIndex]) -> frozenset[str]:
    """Return the names of a uv table's indexes that are those of frameworks."""
    known = [one.pattern for one in indexes]
    named = [_mapping(one) for one in listed] if isinstance(listed, list) else []
    found = ((str(one.get("name")), str(one.get("url")).rstrip("/")) for one in named)
    return frozenset(name for name, url in found if any(re.fullmatch(pattern, url) for pattern in known))


def _address(source: Mapping[str, Any]) -> str | None:
    if isinstance(git := source.get("git"), str):
        revision = next((source[key] for key in ("rev", "tag", "branch") if isinstance(source.get(key), str)), "")
        folder = f"#subdirectory={source['subdirectory']}" if isinstance(source.get("subdirectory"), str) else ""
        return f"git+{git.removeprefix('git+')}{f'@{revision}' if revision else ''}{folder}"
    if isinstance(url := source.get("url"), str):
        return url
    place = source.get("path")
    return f"./{place}" if isinstance(place, str) and not place.startswith("/") else place


def _chosen(path: Path, name: str, extras: Mapping[str, Any], groups: Mapping[str, Any]) -> tuple[str, ...]:
    plain = _normal(name.removeprefix("group:"))
    by_name = {_normal(one): one for one in groups}
    if plain in extras and not name.startswith("group:"):
        return _strings(path, name, extras[plain])
    if plain in by_name:
        try:
            return tuple(resolve_dependency_groups(groups, by_name[plain]))
        except (ValueError, TypeError, LookupError, ExceptionGroup) as error:
            raise unusable(f"{path.name}, group {name}", name, str(error)[:200], "mend the group") from error
    known = (*extras, *by_name)
    fix = nearest(plain, known) or f"its extras and groups are: {', '.join(known) or 'none'}"
    raise unusable(path.name, name, "it has neither an extra nor a dependency group of that name", fix)


def _dynamic(path: Path, read: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the lines of the files that setuptools is told to take the dependencies from, as includes."""
    files = _dynamic_files(read)
    if not files:
        cause = "its dependencies are dynamic: they are known when it is built, and not before"
        raise unreadable(
            f"{path} does not tell what the project needs.", cause, "name its folder (-r .), or its requirements file"
        )
    for name in files:
        yield f"-r {name}", f"{path.name}, tool.setuptools.dynamic"


def _dynamic_files(read: Mapping[str, Any]) -> tuple[str, ...]:
    told = _mapping(_mapping(_tool(read, "setuptools").get("dynamic")).get("dependencies")).get("file", ())
    names = (told,) if isinstance(told, str) else told
    return tuple(one for one in names if isinstance(one, str)) if isinstance(names, (list, tuple)) else ()


def _no_project(path: Path, read: Mapping[str, Any]) -> Exception:
    if "poetry" in _mapping(read.get("tool")):
        return unreadable(f"{path} has Poetry's table and no [project].", "only Poetry reads its own table", _POETRY)
    fix = "name the requirements file, or give it a [project] table with name, version and dependencies"
    return unreadable(f"{path} has no [project] table.", "it holds the settings of tools alone", fix)


def _strings(path: Path, place: str, found: object) -> tuple[str, ...]:
    if isinstance(found, (list, tuple)) and all(isinstance(one, str) for one in found):
        return tuple(found)
    raise unusable(f"{path.name}, {place}", place, "it is no list of strings", 'write ["pandas>=2.2", …]')


def _tool(read: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return _mapping(_mapping(read.get("tool")).get(name))


def _mapping(found: object) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}


def _normal(name: str) -> str:
    return canonicalize_name(name)
