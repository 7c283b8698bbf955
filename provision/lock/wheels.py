"""Every distribution of an environment with its hashes, as uv resolves them."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace
from packaging.version import InvalidVersion, Version

from provision.errors import InputError
from provision.lock.document import Wheel
from provision.lock.pylock import parse
from provision.lock.question import name_of
from provision.lock.uv import ConflictError, Question, Uv, ask
from provision.model.wanted import Entry


def compile_wheels(question: Question, uv: Uv) -> tuple[Wheel, ...]:
    """Return all distributions that answer a question, by name.

    Wheels are taken where they cost no version of what was asked for; else a source archive is built in the image.

    Raises:
        InputError: KGE-622, the packages cannot be resolved together; KGE-623, uv answers something else; KGE-626, a
            package index does not answer.
    """
    if not question.requirements:
        return ()
    found = parse(ask(question, uv))
    from_source = [one.name for one in found if is_source(one)]
    if not from_source:
        return found
    try:
        wheels = parse(ask(question.having(*(word for name in from_source for word in ("--only-binary", name))), uv))
    except ConflictError:
        return found
    asked = {name for text in question.requirements if (name := name_of(Entry(text=text, source="")))}
    return found if any(_older(name, wheels, found) for name in asked) else wheels


def is_source(wheel: Wheel) -> bool:
    """Tell whether a distribution is built in the image."""
    return not any(file.file.endswith(".whl") for file in wheel.files)


def _older(name: str, one: Sequence[Wheel], other: Sequence[Wheel]) -> bool:
    """Tell whether a distribution is older in the first than in the second."""
    return is_older(*(next((wheel.version for wheel in each if wheel.name == name), "0") for each in (one, other)))


def is_older(one: str, other: str) -> bool:
    """Tell whether a version is older than another."""
    try:
        return Version(one) < Version(other)
    except InvalidVersion:
        return one != other


def heeded(wheels: Iterable[Wheel], entries: Iterable[Entry]) -> tuple[Wheel, ...]:
    """Return the distributions with those files alone whose hashes were asked for, where some were.

    Raises:
        InputError: KGE-635, the index has other files than the requirements file names.
    """
    wanted: dict[str, set[str]] = {}
    sources: dict[str, str] = {}
    for entry in entries:
        name = name_of(entry)
        if name and entry.hashes:
            wanted.setdefault(name, set()).update(entry.hashes)
            sources[name] = entry.source
    found: list[Wheel] = []
    for one in wheels:
        files = tuple(file for file in one.files if one.name not in wanted or file.hash in wanted[one.name])
        if one.files and not files:
            raise InputError(
                "KGE-635",
                f"{sources[one.name]}: no file of {one.name} {one.version} on the index has a hash that stands there.",
                cause="the file was locked for another platform or index, or the index has another file now",
                fix="lock the requirements anew for Linux, or leave the hashes out: a build checks its own",
            )
        found.append(replace(one, files=files))
    return tuple(found)
