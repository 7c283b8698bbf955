"""A site's own knowledge: rows of another folder that add to the shipped ones or replace them, by id."""

import re
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec.structs import fields, replace

from provision.catalogue.load import convert
from provision.catalogue.yaml_file import read_yaml
from provision.errors import InputError
from provision.model import MAKERS

S = TypeVar("S", bound=msgspec.Struct)
_OF_ALL = (
    "bases",
    "contents",
    "errors",
    "keras",
    "packages",
    "prepare",
    "published",
    "site_policy",
    "speed",
    "tensorflow",
)
_FILES = sorted(
    f"{name}.yaml" for name in (*_OF_ALL, *(f"{maker}{kind}" for maker in MAKERS for kind in ("", "_devices")))
)


def check_folder(overlay: Path) -> None:
    """Raise InputError KGE-205 when a site's folder has no file of the catalogue, or a YAML file that is none."""
    try:
        # Listed by name: a glob passes over a folder that may not be read, and says that nothing is in it.
        listed = [path for path in overlay.iterdir() if path.suffix in {".yaml", ".yml"}]
        for path in listed:
            path.lstat()  # which needs the right to enter it
        found = {path.name for path in listed}
    except (FileNotFoundError, NotADirectoryError):
        found = set()
    except (OSError, ValueError) as error:  # ValueError: a null character in its name
        why = getattr(error, "strerror", None) or str(error)
        fix = "let this user read and enter the folder, or name another"
        raise InputError("KGE-205", f"The catalogue folder {overlay} cannot be read.", cause=why, fix=fix) from error
    if found and found <= set(_FILES):
        return
    strange = ", ".join(sorted(found - set(_FILES))) or "no YAML file"
    fix = f"put one or more of {', '.join(_FILES)} into it"
    raise InputError("KGE-205", f"The catalogue folder {overlay} has {strange}.", fix=fix)


def overlaid(section: S, path: Path) -> S:
    """Return a file's tables with the rows of a site's file of the same name.

    A row with an id of a shipped row replaces it whole, in its place; the others come before the shipped ones, since
    the first row that fits is preferred. Their source tells the file.

    Raises:
        InputError: KGE-204, a table that the file does not have; KGE-201 to KGE-203, as for the shipped files.
    """
    if not path.exists():
        return section
    given = read_yaml(path)
    types = {field.encode_name: field.type for field in fields(section)}
    if not isinstance(given, dict) or not set(given) <= set(types):
        unknown = sorted(set(given) - set(types)) if isinstance(given, dict) else ["no tables"]
        raise InputError(
            "KGE-204",
            f"{path}: {', '.join(map(str, unknown))} is not a table of {path.name}.",
            fix=f"it has {', '.join(types)}",
        )
    tables = {
        field.name: _merged(getattr(section, field.name), _rows(given[field.encode_name], field.type, path))
        for field in fields(section)
        if field.encode_name in given
    }
    return replace(section, **tables)


def _rows(values: object, kind: type, path: Path) -> tuple[msgspec.Struct, ...]:
    found: tuple[msgspec.Struct, ...] = convert(values, kind, path)
    ids = [getattr(row, "id", "") for row in found]
    if len(set(ids)) < len(ids):
        raise InputError("KGE-203", f"{path}: an id is given twice")
    for row in found:
        _check_pattern(str(getattr(row, "match", "")), f"{path}, row {getattr(row, 'id', '')}")
    return tuple(replace(row, source=f"{getattr(row, 'source', '')}; {path}") for row in found)


def _check_pattern(pattern: str, place: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise InputError("KGE-202", f"{place}, field match: no regular expression: {error}") from error


def _merged(shipped: tuple[msgspec.Struct, ...], own: tuple[msgspec.Struct, ...]) -> tuple[msgspec.Struct, ...]:
    by_id = {getattr(row, "id", ""): row for row in own}
    known = {getattr(row, "id", "") for row in shipped}
    new = tuple(row for name, row in by_id.items() if name not in known)
    return new + tuple(by_id.get(getattr(row, "id", ""), row) for row in shipped)
