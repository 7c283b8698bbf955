"""The events in a profiler's traces."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a protobuf varint at an offset; return its value and the offset behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, at


def fields(data: bytes) -> Any:
    """Yield the (number, bytes) of each length-delimited field of a protobuf message."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            _, at = varint(data, at)
        elif kind == 2:  # noqa: PLR2004 - length-delimited
            size, at = varint(data, at)
            yield key >> 3, data[at : at + size]
            at += size
        else:
            at += 8 if kind == 1 else 4


def planes(folder: str) -> dict[str, int]:
    """Return the events per plane of the traces in a folder.

    Read by hand, since the message's module moves between versions: XSpace.planes is field 1; XPlane.name 2 and
    lines 3; XLine.events 4 (openxla xplane.proto).
    """
    found: dict[str, int] = {}
    for path in Path(folder).rglob("*.xplane.pb"):
        for number_, plane in fields(path.read_bytes()):
            if number_ == 1:
                parts = list(fields(plane))
                name = next((part.decode(errors="replace") for key, part in parts if key == 2), "")  # noqa: PLR2004 - see above
                count = sum(key == 4 for one, line in parts if one == 3 for key, _ in fields(line))  # noqa: PLR2004 - see above
                found[name] = found.get(name, 0) + count
    return found
