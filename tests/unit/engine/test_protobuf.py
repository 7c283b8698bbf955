import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.engine import buildkit_progress, protobuf


def test_reads_each_kind_of_field() -> None:
    data = b"\x08\x96\x01" + b"\x12\x03abc" + b"\x1d\x01\x02\x03\x04" + b"\x21" + bytes(8)
    assert list(protobuf.fields(data)) == [(1, 150), (2, b"abc"), (3, b"\x01\x02\x03\x04"), (4, bytes(8))]


@pytest.mark.parametrize(
    "data",
    [b"\x08", b"\x08" + b"\xff" * 11, b"\x12\x05abc", b"\x0b", b"\x00\x01", b"\x1d\x01"],
    ids=["no value", "endless", "too long", "group", "field 0", "short fixed"],
)
def test_a_broken_message_is_an_error(data: bytes) -> None:
    with pytest.raises(protobuf.ProtobufError):
        list(protobuf.fields(data))


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    try:
        status = buildkit_progress.decode(base64.b64encode(data).decode())
    except buildkit_progress.ProgressError:
        return
    progress = buildkit_progress.Progress()
    for step in progress.update(status):
        assert step.seconds >= 0


@given(st.text(max_size=60))
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        buildkit_progress.decode(text)
    except buildkit_progress.ProgressError as error:
        assert "BuildKit" in str(error)  # noqa: PT017 - either outcome is right, a third is not


@given(st.lists(st.tuples(st.integers(1, 1 << 20), st.integers(0, (1 << 64) - 1) | st.binary(max_size=200))))
def test_what_was_written_is_read_back(fields: list[tuple[int, int | bytes]]) -> None:
    data = b"".join(written(number, value) for number, value in fields)
    assert list(protobuf.fields(data)) == fields


def written(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
