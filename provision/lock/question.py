"""What uv is asked about a stack: its own packages, and what people add, for the container's Python and platform."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from packaging.utils import canonicalize_name
from packaging.version import Version

from provision.catalogue import Catalogue
from provision.lock.uv import Question
from provision.model import Stack
from provision.model.wanted import Entry, Wanted
from provision.resolve.packages import group_of, parsed

_NEWEST_GLIBC: Final = 40  # the newest that uv has a platform for


def platform_of(machine: str, glibc: str) -> str:
    """Return uv's name of the platform: ("x86_64", "2.36") gives "x86_64-manylinux_2_36"."""
    minor = min(int(glibc.split(".")[1]), _NEWEST_GLIBC)
    return f"{machine}-manylinux_2_{minor}"


def of_stack(
    catalogue: Catalogue, stack: Stack, platform: str, wanted: Wanted | None = None, code: Sequence[str] = ()
) -> Question:
    """Return the question for all that a stack and what is added need.

    A framework goes by several names. The usual one is asked for beside the stack's own at the same version, so that
    what depends on it is held to that; the others are excluded. Of the answer one is kept (`doubles`).

    Args:
        catalogue: has the table of names.
        stack: its packages, Python and indexes.
        platform: as `platform_of` writes it.
        wanted: what is added, as `prepared` returns it.
        code: local code that uv is to ask what it needs.
    """
    asked = wanted or Wanted()
    names = {canonicalize_name(found.name): found for found in map(parsed, stack.packages) if found}
    beside, excludes = list[str](), list[str]()
    for row in catalogue.packages.same:
        own = next((name for name in row.names if name in names), None)
        if own is None and not (row.framework and stack.framework_in_base and row.id == stack.backend):
            continue
        if row.framework and own != row.names[0] and asked.entries:
            beside.append(f"{row.names[0]}=={Version(stack.framework.version).public}")
        excludes += [name for name in row.names if name not in {own, row.names[0]}]
    return Question(
        requirements=(*stack.packages, *beside, *(one.text for one in asked.entries), *code),
        options=(*target(stack, platform), *sources(stack), *_prereleases(asked)),
        constraints=tuple(one.text for one in asked.constraints),
        excludes=tuple(excludes),
    )


def of_framework(
    catalogue: Catalogue, stack: Stack, platform: str, wanted: Wanted, code: Sequence[str] = ()
) -> Question:
    """Return the question which version of a stack's framework what is added goes with; the answer is the newest."""
    row = group_of(catalogue, stack.backend)
    names = row.names if row else (stack.backend,)
    newest = f"{names[0]}<={Version(stack.framework.version).public}"
    return Question(
        requirements=(newest, *(one.text for one in wanted.entries), *code),
        options=(*target(stack, platform), *_prereleases(wanted)),
        constraints=tuple(one.text for one in wanted.constraints),
        excludes=tuple(name for name in names[1:]),
    )


def of_tools(stack: Stack, versions: Mapping[str, str], platform: str) -> Question:
    """Return the question for the programs that take part in the build of a stack of wheels.

    Args:
        stack: its Python runs them.
        versions: their exact versions: {"uv": "0.13.9"}.
        platform: as `platform_of` writes it.
    """
    wanted = tuple(f"{name}=={version}" for name, version in versions.items()) if stack.packages else ()
    return Question(requirements=wanted, options=tuple(target(stack, platform)))


def target(stack: Stack, platform: str) -> list[str]:
    """Return the options that say for which Python and platform; that Python need not be on this host."""
    return ["--no-python-downloads", "--python-version", stack.python, "--python-platform", platform]


def sources(stack: Stack) -> list[str]:
    """Return the options that say where a stack's packages are beside the default index."""
    found = [word for index in stack.indexes for word in ("--index", index)]
    found += ["--index-strategy", "unsafe-best-match"] if stack.indexes else []
    return [*found, "--find-links", stack.find_links] if stack.find_links else found


def name_of(entry: Entry) -> str | None:
    """Return the canonical name of what an entry asks for; None for an address without one."""
    found = re.match(r"^([A-Za-z0-9][A-Za-z0-9._-]*)\s*($|[\[=<>!~;@ ])", entry.text)
    return canonicalize_name(found[1]) if found else None


def _prereleases(wanted: Wanted) -> list[str]:
    return ["--prerelease", "allow"] if wanted.prereleases else []
