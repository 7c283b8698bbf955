"""What all values share: strict decoding from JSON and stable encoding to it."""

from typing import Any, TypeVar

import msgspec

from provision.compat import dataclass_transform

T = TypeVar("T")


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
    """Return `value` as indented JSON, keys in the order of their definition."""
    return msgspec.json.format(msgspec.json.encode(value, order="deterministic"), indent=2).decode()


def decode(text: str | bytes, kind: type[T]) -> T:
    """Return the `kind` that the JSON document `text` describes.

    Raises:
        msgspec.DecodeError: not JSON.
        msgspec.ValidationError: JSON of another shape; the message names the path and the types.
    """
    return msgspec.json.decode(text, type=kind)
