"""What all values share: strict decoding from JSON and stable encoding to it."""

import json
from typing import Any, TypeVar

import msgspec

from provision.compat import dataclass_transform

T = TypeVar("T")
TOO_DEEP = "JSON is malformed: its lists and objects are too deep"


class _KeywordOnly(msgspec.StructMeta):
    """Makes every value keyword-only: msgspec inherits `frozen` but not `kw_only`."""

    def __new__(
        cls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, object],
        **options: Any,  # noqa: ANN401 - msgspec's own options, of several types
    ) -> "_KeywordOnly":
        options.setdefault("kw_only", True)
        return super().__new__(cls, name, bases, namespace, **options)


# A type checker does not see that msgspec's options are inherited.
@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Value(msgspec.Struct, metaclass=_KeywordOnly, frozen=True):
    """A frozen value. Unknown keys are ignored when read, so that a newer tool's output stays readable."""


def encode(value: object) -> str:
    """Return `value` as indented JSON, keys in the order of their definition.

    Half of a character, which no encoding can write (a file name may have one), is written as its escape.
    """
    try:
        text = msgspec.json.encode(value, order="deterministic")
    except UnicodeEncodeError:
        text = msgspec.json.encode(_writable(msgspec.to_builtins(value, order="deterministic")))
    return msgspec.json.format(text, indent=2).decode()


def _writable(value: object) -> object:
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {_writable(key): _writable(one) for key, one in value.items()}
        case list() | tuple():
            return [_writable(one) for one in value]
        case _:
            return value


def decode(text: str | bytes, kind: type[T]) -> T:
    """Return the `kind` that the JSON document `text` describes.

    Raises:
        msgspec.DecodeError: not JSON, or deeper than can be read.
        msgspec.ValidationError: JSON of another shape; the message names the path and the types.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except RecursionError as error:
        raise msgspec.DecodeError(TOO_DEEP) from error
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError("JSON is malformed: it is not UTF-8") from error


def parse_json(text: str | bytes) -> object:
    """Return the plain values of a JSON document of any shape.

    Raises:
        ValueError: not JSON, or deeper than can be read.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError(TOO_DEEP) from error
