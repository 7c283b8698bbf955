"""How packages that are added go with a stack, as far as names, pins and markers tell: no index is asked."""

import re
from collections.abc import Container, Iterable, Iterator
from typing import Final

from msgspec.structs import replace
from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from provision.catalogue import Catalogue, rows
from provision.model import TITLES, Backend, Request, Stack, Vendor
from provision.model.wanted import Entry, Wanted

_LAST_PATCH: Final = "99"  # of a Python: its patch release is the base image's
_TENSORFLOW: Final = "tensorflow"
_OF_TENSORFLOW: Final = ("tensorflow", "tf-", "intel-tensorflow")  # what names so begin with, and what needs it
_BACKENDS: Final[dict[str, Backend]] = {"torch": "torch", "jax": "jax"}


def parsed(text: str) -> Requirement | None:
    """Return a requirement; None for an address without a name."""
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def group_of(catalogue: Catalogue, name: str) -> rows.SameThing | None:
    """Return the row of distributions that are the same thing as `name`."""
    plain = canonicalize_name(name)
    return next((row for row in catalogue.packages.same if plain in row.names), None)


def own_backend(catalogue: Catalogue, wanted: Wanted, request: Request) -> tuple[Backend, str] | None:
    """Return the backend that a project's packages ask for in place of TensorFlow, and a note; None where they do not.

    Who names torch or JAX and nothing of TensorFlow's is not given TensorFlow. Of both the first one counts.

    Args:
        catalogue: names the distributions that are frameworks.
        wanted: as it was read.
        request: one that names a backend, or a TensorFlow, decides itself.
    """
    if request.backend or request.tensorflow:
        return None
    names = [(one, canonicalize_name(found.name)) for one in wanted.entries if (found := parsed(one.text))]
    if any(name.startswith(_OF_TENSORFLOW) for _, name in names):
        return None
    for entry, name in names:
        row = group_of(catalogue, name)
        if row and row.framework and row.id in _BACKENDS:
            backend = _BACKENDS[row.id]
            title = TITLES[backend]
            note = f"{entry.source} asks for {title} and not for TensorFlow, so the stack is {title}'s; --backend "
            return backend, f"{note}{_TENSORFLOW} gives TensorFlow with it"
    return None


def prepared(catalogue: Catalogue, wanted: Wanted, request: Request) -> Wanted:
    """Return what is asked for with each framework under its own name.

    The extras that bring GPU libraries are left to the stack; where a framework is not the stack's own they stay, since
    it has no others. A patch release that no stack has stands for its series: `tensorflow==2.15.0` is `==2.15.*`.

    Args:
        catalogue: names the distributions that are the same thing.
        wanted: as it was read.
        request: its vendor and backend say whose GPU libraries the stack has.
    """
    notes: list[str] = []
    own = request.backend or _TENSORFLOW
    bare = {row.id for row in catalogue.packages.same if row.id == own or request.vendor is Vendor.CPU}
    asked = [_public(catalogue, one, notes) for one in _undecided(catalogue, wanted.entries, notes)]
    entries = tuple(_framework(catalogue, one, bare, notes) for one in asked)
    constraints = tuple(
        _framework(catalogue, _public(catalogue, one, notes), bare, notes) for one in wanted.constraints
    )
    return replace(wanted, entries=entries, constraints=constraints, notes=(*wanted.notes, *dict.fromkeys(notes)))


def _undecided(catalogue: Catalogue, entries: Iterable[Entry], notes: list[str]) -> list[Entry]:
    """Return entries without the GPU libraries that a lock names: a stack has its own.

    What needs others brings them back when all is resolved together, and is judged then.
    """
    kept, left = list[Entry](), list[str]()
    for one in entries:
        found = parsed(one.text) if one.locked else None
        name = canonicalize_name(found.name) if found else ""
        rows_of = (row for row in catalogue.packages.gpu if row.decided and re.fullmatch(row.pattern, name))
        if any(re.fullmatch(str(row.decided), name) for row in rows_of):
            left.append(name)
        else:
            kept.append(one)
    if left:
        more = f" and {len(left) - 1} more such packages" if len(left) > 1 else ""
        notes.append(f"{left[0]}{more} of the lock are left out: the stack decides about GPU libraries")
    return kept


def _public(catalogue: Catalogue, entry: Entry, notes: list[str]) -> Entry:
    """Return an entry without the word for what a release was built, as in 2.3.1+cu121: a stack has its own."""
    found = parsed(entry.text)
    builds = "|".join(row.builds for row in catalogue.packages.indexes if row.builds)
    text = re.sub(rf"(==\s*[\w.!]+)\+({builds})\b", r"\1", entry.text) if builds else entry.text
    if found is None or found.url or text == entry.text:
        return entry
    notes.append(f"{entry.source}: {found.name} is taken as the stack's index has it, not as {found.specifier}")
    return replace(entry, text=text, hashes=())


def _framework(catalogue: Catalogue, entry: Entry, bare: Container[str], notes: list[str]) -> Entry:
    """Return an entry with its framework under its own name; without the extras of those in `bare`."""
    found = parsed(entry.text)
    row = group_of(catalogue, found.name) if found else None
    if found is None or row is None or not row.framework:
        return entry
    if found.url:
        notes.append(f"{entry.source}: {found.name} comes with the stack, not from its address")
        return replace(entry, text=row.names[0], hashes=())
    specifier = "" if "nightly" in found.name else str(_relaxed(catalogue, row, found, entry, notes))
    without = row.extras if row.id in bare else ()
    kept = sorted(extra for extra in found.extras if canonicalize_name(extra) not in without)
    if len(kept) < len(found.extras):
        dropped = ", ".join(sorted(found.extras - set(kept)))
        notes.append(f"{entry.source}: the GPU libraries of {found.name}[{dropped}] are those of the stack")
    extras = f"[{','.join(kept)}]" if kept else ""
    marker = f" ; {found.marker}" if found.marker else ""
    return replace(entry, text=f"{row.names[0]}{extras}{specifier}{marker}", hashes=())


def _relaxed(
    catalogue: Catalogue, row: rows.SameThing, found: Requirement, entry: Entry, notes: list[str]
) -> SpecifierSet:
    exact = next((one for one in found.specifier if one.operator == "==" and "*" not in one.version), None)
    if row.id != _TENSORFLOW or exact is None or len(found.specifier) > 1:
        return found.specifier
    try:
        asked = Version(exact.version)
    except InvalidVersion:
        return found.specifier
    series = [Version(row.version) for row in catalogue.tensorflow if row.version.startswith(_series(asked))]
    if not series or asked in series:
        return found.specifier
    notes.append(f"{entry.source}: TensorFlow {asked} is asked for; of its series the stacks have {max(series)}")
    return SpecifierSet(f"=={_series(asked)}*")


def _series(version: Version) -> str:
    return f"{version.major}.{version.minor}."


def conflict(catalogue: Catalogue, stack: Stack, wanted: Wanted) -> str | None:
    """Return why a stack cannot go with what is asked for, or None where names and pins do not tell.

    Args:
        catalogue: names the distributions that are the same thing.
        stack: what would be installed.
        wanted: as `prepared` returns it.
    """
    for one in wanted.python:
        if not _python_fits(one.text, stack.python):
            return f"{one.source} asks for Python {one.text}, and this is {stack.python}"
    have = {str(canonicalize_name(found.name)): found for found in map(parsed, stack.packages) if found}
    for entry in (*wanted.entries, *wanted.constraints):
        asked = parsed(entry.text)
        if asked is None or not _holds(asked, stack):
            continue
        row = group_of(catalogue, asked.name)
        own = have.get(canonicalize_name(asked.name))
        if row and row.id == _TENSORFLOW:
            why = _framework_against(stack, asked, required=entry in wanted.entries)
        else:
            why = _against(own, asked) if own else None
        if why:
            return f"{entry.source} asks for {asked.name}{asked.specifier}, and {why}"
    return None


def _python_fits(text: str, python: str) -> bool:
    try:
        return SpecifierSet(text).contains(f"{python}.{_LAST_PATCH}")
    except InvalidSpecifier:
        return True  # what cannot be read rules nothing out: uv tells


def _holds(asked: Requirement, stack: Stack) -> bool:
    """Tell whether a requirement's marker holds in the image."""
    environment = {"python_version": stack.python, "python_full_version": f"{stack.python}.{_LAST_PATCH}"}
    linux = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "extra": ""}
    try:
        return asked.marker is None or asked.marker.evaluate({**environment, **linux})
    except (UndefinedEnvironmentName, UndefinedComparison, KeyError):  # KeyError: packaging before 26.3
        return False  # what cannot be said rules nothing out: uv tells


def _framework_against(stack: Stack, asked: Requirement, *, required: bool) -> str | None:
    if stack.backend != _TENSORFLOW:
        return f"this is Keras on {TITLES[stack.backend]}" if required else None
    if asked.specifier.contains(stack.framework.version, prereleases=True):
        return None
    return f"this is {stack.framework.version}"


def _against(own: Requirement, asked: Requirement) -> str | None:
    mine, theirs = _exact(own.specifier), _exact(asked.specifier)
    if mine and not asked.specifier.contains(mine, prereleases=True):
        return f"the stack has {own.name}{own.specifier}"
    if theirs and not mine and not own.specifier.contains(theirs, prereleases=True):
        return f"the stack needs {own.name}{own.specifier}"
    return None


def _exact(specifier: SpecifierSet) -> str | None:
    return next((one.version for one in specifier if one.operator == "==" and "*" not in one.version), None)


def doubles(catalogue: Catalogue, names: Iterable[str], preferred: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each distribution that another one stands for, with that one: ("opencv-python", "opencv-python-headless").

    Args:
        catalogue: has the table.
        names: of all distributions of an environment.
        preferred: those that are kept before others: the stack's own, then those that were asked for.
    """
    there, first = {canonicalize_name(name) for name in names}, [canonicalize_name(name) for name in preferred]
    for row in catalogue.packages.same:
        found = [name for name in row.names if name in there]
        if len(found) > 1 and row.owns:
            kept = next((name for name in first if name in found), found[0])
            yield from ((name, kept) for name in found if name != kept)
