"""A total reader of the protobuf wire format: enough for BuildKit's progress, without a protobuf library.

Source of the format: https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
WIDTH = {FIXED64: 8, FIXED32: 4}
LONGEST_VARINT = 10  # bytes that a 64-bit number takes at most

Field = tuple[int, int | bytes]


class ProtobufError(ValueError):
    """The bytes are no protobuf message."""


def fields(data: bytes) -> Iterator[Field]:
    """Yield each field of a message as (number, value), in the order of the bytes.

    Varints come as int; length-delimited and fixed-width fields as bytes.

    Raises:
        ProtobufError: truncated, or a wire type that proto3 does not have.
    """
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise ProtobufError("field number 0")
        value: int | bytes
        if kind == VARINT:
            value, at = _varint(data, at)
        else:
            value, at = _chunk(data, at, kind)
        yield number, value


def text(value: int | bytes) -> str:
    """Return a string field's text; bytes that are not UTF-8 are replaced, a number gives ""."""
    return value.decode(errors="replace") if isinstance(value, bytes) else ""


def number(value: int | bytes) -> int:
    """Return a varint field's value; any other kind of field gives 0."""
    return value if isinstance(value, int) else 0


def signed(value: int | bytes) -> int:
    """Return an int64 field's value where it is positive, otherwise 0."""
    found = number(value)
    return found if found < 1 << 63 else 0


def message(value: int | bytes) -> Iterator[Field]:
    """Yield the fields of an embedded message.

    Raises:
        ProtobufError: a number, or bytes that are no message.
    """
    if not isinstance(value, bytes):
        raise ProtobufError("a number where a message belongs")
    return fields(value)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift, byte in enumerate(data[at : at + LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:  # noqa: PLR2004 - the format's continuation bit
            return value & 0xFFFF_FFFF_FFFF_FFFF, at + shift + 1
    raise ProtobufError("a number without an end")


def _chunk(data: bytes, at: int, kind: int) -> tuple[bytes, int]:
    if kind == BYTES:
        length, at = _varint(data, at)
    elif kind in WIDTH:
        length = WIDTH[kind]
    else:
        raise ProtobufError(f"wire type {kind}")
    end = at + length
    if end > len(data):
        raise ProtobufError("a field longer than its message")
    return data[at:end], end
