"""Makes wrong inputs of right ones."""

import json
import random
from typing import Any, Final

SPOILT: Final[tuple[Any, ...]] = (
    *(None, True, 0, -1, 10**30, 1.5, float("inf"), "", "foo", "6.16.6-custom", "9" * 5000, "12.10\n", "\u0667"),
    *("\u202ex", "\x1b[2J", "\x00", "https://u:p@host/", "../../x", [], {}, [[]], [None], {"a": None}, {"": {}}, ["x"]),
)
BYTES: Final = (
    b"[" * 200_000,
    b'{"a":' * 50_000,
    b"\xff\xfe",
    b"",
    b"\0",
    b"9" * 5000,
    b'"\\ud800"',
    b"- - - - -",
    b"&a [*a]",
    b"a: !!int ''",
)


def spoil(chance: random.Random, good: bytes) -> bytes:
    """Return `good` with something wrong: in its values where it is JSON or YAML, else in its bytes."""
    kind = chance.randrange(10)
    if kind == 0:
        return chance.choice(BYTES)
    if kind == 1:
        return good[: chance.randrange(len(good) + 1)]
    if kind in {2, 3}:
        return _in_bytes(chance, good)
    try:
        found = json.loads(good)
    except ValueError:
        return _in_text(chance, good)
    for _ in range(chance.randrange(1, 4)):
        found = _in_value(chance, found)
    return json.dumps(found).encode()


def _in_bytes(chance: random.Random, good: bytes) -> bytes:
    body = bytearray(good)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(body) + 1)
        body[at : at + chance.randrange(3)] = bytes(chance.randrange(256) for _ in range(chance.randrange(3)))
    return bytes(body)


def _in_text(chance: random.Random, good: bytes) -> bytes:
    """Replace a word or a line."""
    lines = good.split(b"\n")
    at = chance.randrange(len(lines))
    words = lines[at].split(b" ")
    value = json.dumps(chance.choice(SPOILT)).encode()
    words[chance.randrange(len(words))] = value
    lines[at] = b" ".join(words)
    if chance.random() < 0.2:
        del lines[chance.randrange(len(lines))]
    return b"\n".join(lines)


def _in_value(chance: random.Random, value: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    """Replace, drop or double one part of a document, the deeper ones too."""
    if not isinstance(value, dict | list) or not value or chance.random() < 0.1:
        return chance.choice(SPOILT)
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = chance.choice(list(keys))
    if chance.random() < 0.15:
        if isinstance(value, dict):
            return {one: value[one] for one in value if one != key}
        return [*value, *value[key : key + 1]]
    new = _in_value(chance, value[key])
    if isinstance(value, dict):
        return {**value, key: new}
    return [*value[:key], new, *value[key + 1 :]]
