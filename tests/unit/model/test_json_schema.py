"""The schemas that ship do not depend on how a library prints docstrings."""

from typing import Any

import msgspec
import pytest

from provision.model.json_schema import json_schema

AS_WRITTEN = "A value.\n\n    It has two paragraphs,\n      and an indented line.\n    "
DEDENTED = "A value.\n\nIt has two paragraphs,\n  and an indented line."


class Inner(msgspec.Struct):
    """Inside."""


class Outer(msgspec.Struct):
    """Outside."""

    inner: Inner
    description: str = ""


@pytest.mark.parametrize("printed", [AS_WRITTEN, DEDENTED])
def test_a_description_is_the_same_however_it_is_printed(printed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = msgspec.json.schema

    def schema(kind: Any) -> dict[str, Any]:  # noqa: ANN401 - as the library declares it
        made = plain(kind)
        for one in made["$defs"].values():
            one["description"] = printed
        return made

    monkeypatch.setattr(msgspec.json, "schema", schema)
    found = json_schema(Outer)["$defs"]
    assert {one["description"] for one in found.values()} == {DEDENTED}
    assert found["Outer"]["properties"]["description"] == {"type": "string", "default": ""}


class Choice(msgspec.Struct):
    """A value or none."""

    inner: Inner | None = None


def test_null_is_the_last_choice_whatever_the_library_names_first(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = msgspec.json.schema

    def schema(kind: Any) -> dict[str, Any]:  # noqa: ANN401 - as the library declares it
        made = plain(kind)
        made["$defs"]["Choice"]["properties"]["inner"]["anyOf"] = [{"type": "null"}, {"$ref": "#/$defs/Inner"}]
        return made

    monkeypatch.setattr(msgspec.json, "schema", schema)
    found = json_schema(Choice)["$defs"]["Choice"]["properties"]["inner"]["anyOf"]
    assert found == [{"$ref": "#/$defs/Inner"}, {"type": "null"}]
