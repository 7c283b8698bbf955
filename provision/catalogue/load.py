"""Reads `images/*.yaml` strictly: a broken row stops the load with its file, row and field."""

import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from provision.errors import InputError

T = TypeVar("T")
# PyYAML's own errors, and those that its constructors let through for `!!bool x`, 2026-99-99 or ten thousand brackets.
YAML_ERRORS = (yaml.YAMLError, ValueError, KeyError, AttributeError, RecursionError)


class _Loader(yaml.CSafeLoader):
    """PyYAML's safe loader, which also refuses a key that is given twice."""


def _mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    for key in keys:
        if keys.count(key) > 1:
            raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is given twice", node.start_mark)
    return yaml.SafeLoader.construct_mapping(loader, node, deep)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(path: Path, code: str = "KGE-201") -> object:
    """Return the plain values in a YAML file.

    Raises:
        InputError: the file cannot be read, is not YAML, or gives a key twice.
    """
    try:
        return yaml.load(path.read_bytes(), _Loader)  # noqa: S506 - _Loader is a safe loader
    except OSError as error:
        raise InputError(code, f"cannot read {path}", why=error.strerror or str(error)) from error
    except YAML_ERRORS as error:
        raise InputError(code, f"{path} is not valid YAML", why=" ".join(str(error).split())) from error


def convert(values: object, kind: type[T], path: Path, code: str = "KGE-202") -> T:
    """Return `values` as a `kind`, checked strictly.

    Raises:
        InputError: naming file, row and field of the first value that does not fit.
    """
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise InputError(code, _explain(values, str(error), path), fix=_advice(str(error))) from error


def _explain(values: object, message: str, path: Path) -> str:
    problem, _, where = message.partition(" - at `$")
    steps = re.findall(r"\.([\w-]+)|\[(\d+|\.\.\.)\]", where.rstrip("`"))
    place = [str(path)]
    for name, index in steps:
        values = _step(values, name, index)
        row = values.get("id") if isinstance(values, dict) else None
        place.append(
            f"row {int(index) + 1}" + (f" ({row})" if row else "") if index.isdigit() else f"field {name or '?'}"
        )
    return f"{', '.join(place)}: {problem}"


def _step(values: object, name: str, index: str) -> object:
    if isinstance(values, list) and index.isdigit():
        return values[int(index)]
    return values.get(name) if isinstance(values, dict) else None


def _advice(message: str) -> str:
    if "got `float`" in message or "got `int`" in message:
        return 'quote the value: YAML reads 12.10 as the number 12.1 (write "12.10")'
    return ""
