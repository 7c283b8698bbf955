"""Every field of the evidence's schema, altered in every way: dropped, zeroed, doubled, of another type, another run's.

`tests/unit/prove/test_adversary_schema.py` judges them.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

import msgspec

from provision.prove import Evidence

Path = tuple[str | int, ...]
Json: TypeAlias = Any  # a tree of JSON values
GONE = object()


class Mutation(NamedTuple):
    """One alteration of one place."""

    pattern: str  # the field, whatever list or map it is in: "trainings[].losses[]"
    kind: str
    path: Path
    value: Json  # GONE: it is not there any more


def complete(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record with all fields of the schema, and no others."""
    made: dict[str, Any] = json.loads(msgspec.json.encode(msgspec.convert(record, Evidence)))
    return made


def patterns(kind: Json = None, at: str = "") -> Iterator[str]:
    """Yield each field of the schema."""
    match kind or msgspec.inspect.type_info(Evidence):
        case msgspec.inspect.StructType() as struct:
            for field in struct.fields:
                name = f"{at}.{field.encode_name}".lstrip(".")
                yield name
                yield from patterns(field.type, name)
        case msgspec.inspect.UnionType() as union:
            for one in union.types:
                yield from patterns(one, at)
        case msgspec.inspect.VarTupleType() as items:
            yield f"{at}[]"
            yield from patterns(items.item_type, f"{at}[]")
        case msgspec.inspect.DictType() as items:
            yield f"{at}{{}}"
            yield from patterns(items.value_type, f"{at}{{}}")
        case _:
            return


def places(
    value: Json, path: Path = (), at: str = "", schema: frozenset[str] = frozenset()
) -> Iterator[tuple[str, Path]]:
    """Yield each place of a record, with its pattern."""
    if path:
        yield at, path
    if isinstance(value, dict):
        for key, item in value.items():
            field = f"{at}.{key}".lstrip(".")
            yield from places(item, (*path, key), field if field in schema or not schema else f"{at}{{}}", schema)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from places(item, (*path, number), f"{at}[]", schema)


def value_at(record: Json, path: Path) -> Json:
    """Return what is at a place; GONE where there is none."""
    for key in path:
        try:
            record = record[key]
        except (KeyError, IndexError, TypeError):
            return GONE
    return record


def _zeroed(value: Json) -> Json:
    return None if value is None else type(value)()


def _doubled(value: Json) -> Json:
    match value:
        case bool():
            return not value
        case dict() | None:
            return value
        case _:
            return value * 2


def _of_another_type(value: Json) -> Json:
    return 7 if isinstance(value, (str, dict)) or value is None else "seven"


ERROR = {"type": "InternalError", "text": "CUDA_ERROR_ILLEGAL_ADDRESS"}
KINDS: dict[str, Callable[[Json, Json], Json]] = {
    "dropped": lambda _own, _other: GONE,
    "zeroed": lambda own, _other: _zeroed(own),
    "doubled": lambda own, _other: _doubled(own),
    "of another type": lambda own, _other: _of_another_type(own),
    "of another run": lambda _own, other: other,
}


def mutations(record: dict[str, Any], other: dict[str, Any]) -> Iterator[Mutation]:
    """Yield every alteration of the first and the last place of each field.

    Args:
        record: complete, as `complete` returns it.
        other: what another run recorded.
    """
    schema = frozenset(patterns())
    found: dict[str, list[Path]] = {}
    for pattern, path in places(record, schema=schema):
        found.setdefault(pattern, []).append(path)
    for pattern, paths in found.items():
        for path in dict.fromkeys((paths[0], paths[-1])):
            own = value_at(record, path)
            for kind, alter in KINDS.items():
                value = alter(own, value_at(other, path))
                if value is GONE and kind != "dropped":  # the other run has no such place
                    continue
                if kind == "dropped" or type(value) is not type(own) or value != own:
                    yield Mutation(pattern, kind, path, value)
            if pattern.endswith("error"):
                yield Mutation(pattern, "failed", path, ERROR)


def altered(text: bytes, mutation: Mutation) -> dict[str, Any]:
    """Return a record with one alteration."""
    record: dict[str, Any] = msgspec.json.decode(text)  # a copy, which four thousand alterations need
    at: Json = value_at(record, mutation.path[:-1])
    if mutation.value is GONE:
        del at[mutation.path[-1]]
    else:
        at[mutation.path[-1]] = mutation.value
    return record
