"""The JSON Schema of a value, the same to the byte whatever the versions of Python and msgspec.

Python 3.13 and msgspec 0.23 dedent docstrings; msgspec names the choices of a union in one order or another.
"""

from inspect import cleandoc
from typing import Any

import msgspec

_NULL = {"type": "null"}


def json_schema(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the JSON Schema of a document: descriptions without indentation, null as the last choice."""
    schema: dict[str, Any] = msgspec.json.schema(kind)
    for part in (schema, *schema.get("$defs", {}).values()):
        if "description" in part:
            part["description"] = cleandoc(part["description"])
    _null_last(schema)
    return schema


def _null_last(part: object) -> None:
    if isinstance(part, dict):
        if "anyOf" in part:
            part["anyOf"].sort(key=lambda choice: choice == _NULL)
        for inner in part.values():
            _null_last(inner)
    elif isinstance(part, list):
        for inner in part:
            _null_last(inner)
