"""What all values share: strict decoding from JSON and stable encoding to it."""

from typing import TypeVar

import msgspec

T = TypeVar("T")


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen value. Unknown keys are ignored when read, so that a newer tool's output stays readable."""


def encode(value: object) -> str:
    """Return `value` as indented JSON, keys in the order of their definition."""
    return msgspec.json.format(msgspec.json.encode(value, order="deterministic"), indent=2).decode()


def decode(text: str | bytes, kind: type[T]) -> T:
    """Return the `kind` that the JSON document `text` describes.

    Raises:
        msgspec.DecodeError: not JSON.
        msgspec.ValidationError: JSON of another shape; the message names the path and the types.
    """
    return msgspec.json.decode(text, type=kind)
