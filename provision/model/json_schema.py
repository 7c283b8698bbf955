"""The JSON Schema of a value, the same whatever prints a docstring: Python 3.13 and msgspec 0.23 dedent it."""

from inspect import cleandoc
from typing import Any

import msgspec


def json_schema(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the JSON Schema of a document; its descriptions are the docstrings without their indentation."""
    schema: dict[str, Any] = msgspec.json.schema(kind)
    for part in (schema, *schema.get("$defs", {}).values()):
        if "description" in part:
            part["description"] = cleandoc(part["description"])
    return schema
