"""What a conda environment asks for, by the names that its packages have on PyPI.

docs.conda.io documents the file; conda's own match specifications say what a package's text means.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from provision.catalogue.rows import CondaName
from provision.catalogue.yaml_file import YAML_ERRORS, parse_yaml
from provision.model.wanted import Entry, Wanted
from provision.requirements.problems import unreadable, unusable

_PACKAGE: Final = re.compile(r"^(?:[\w./:-]+::)?(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*)\s*(?P<version>[=<>!~ ].*)?$")
_FIX: Final = 'write it as "numpy=1.26" or "numpy>=1.26,<2", or below pip: as a requirement'


class Part(NamedTuple):
    """What one line of the file asks for: a package, or the requirements below `pip:`."""

    wanted: Wanted = Wanted()
    pip: str | None = None


def parts(text: str, name: str, names: Sequence[CondaName]) -> Iterator[Part]:
    """Yield what an environment's file asks for.

    Args:
        text: of the file.
        name: of the file, for messages.
        names: how conda's packages are called on PyPI.

    Raises:
        InputError: KGE-616, the file is none of an environment; KGE-617, a line that cannot be used.
    """
    for one in _dependencies(text, name):
        if isinstance(one, dict):
            lines = one.get("pip")
            yield Part(pip="\n".join(str(line) for line in lines) if isinstance(lines, list) else "")
        else:
            yield Part(_package(str(one).strip(), name, names))


def _dependencies(text: str, name: str) -> list[Any]:
    try:
        found = parse_yaml(text)
    except YAML_ERRORS as error:
        raise unreadable(f"{name} is not valid YAML.", " ".join(str(error).split()), "mend the file") from error
    listed = found.get("dependencies") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        cause = "it has no list of dependencies, as an environment of conda has"
        raise unreadable(f"{name} is not read.", cause, "name the project's requirements file")
    return listed


def _package(text: str, name: str, names: Sequence[CondaName]) -> Wanted:
    found = _PACKAGE.match(text.partition("[")[0].strip())
    if found is None:
        raise unusable(name, text, "it is no package of conda", _FIX)
    called, source = found["name"].lower(), f"{name}, {found['name']}"
    version = _version(found["version"] or "", text, name)
    row = next((one for one in names if re.fullmatch(one.pattern, called)), None)
    if row is None:
        return Wanted(entries=(Entry(text=f"{called}{version}", source=source),))
    if row.as_python:
        return Wanted(python=(Entry(text=version, source=source),) if version else ())
    if not row.pypi:
        return Wanted(notes=(f"{source} is left out: {row.why}",))
    pypi = re.sub(row.pattern, row.pypi, called)
    return Wanted(entries=(Entry(text=f"{pypi}{version}", source=source),))


def _version(text: str, whole: str, name: str) -> str:
    """Return conda's version as PEP 440 writes it: "=1.2" is any 1.2, "=1.2.3=build" and "==1.2.3" are exact."""
    plain = text.strip()
    if not plain or plain == "*":
        return ""
    exact = re.fullmatch(r"=?\s*([\w.!+]+)=[\w.*]+", plain)
    same = re.fullmatch(r"=?\s*([\w.!+]+?)(\.?\*)?", plain)
    if exact:
        wanted = f"=={exact[1]}"
    elif same:
        wanted = f"=={same[1]}.*"
    else:
        wanted = re.sub(r"(?<=[\d*])=[\w.*]+$", "", plain)
    try:
        return str(SpecifierSet(wanted))
    except InvalidSpecifier as error:
        raise unusable(name, whole, "its version is none that PyPI's packages could have", _FIX) from error
