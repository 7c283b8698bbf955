"""What a record is made of: values that JSON can hold."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any


def message(error: BaseException) -> dict[str, str]:
    """Return the type and the text of an exception, cut to what a report can hold."""
    return {"type": type(error).__name__, "text": str(error)[:2000]}


def number(value: Any) -> float | None:
    """Return a float, or None for what JSON cannot hold: NaN and infinity."""
    value = float(value)
    return value if math.isfinite(value) else None


def read(path: str, limit: int | None = 4096) -> str | None:
    """Return the text of a small file, or None when it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")[:limit]
    except OSError:
        return None


def place(name: str, device: Any, memory: Any = None) -> dict[str, Any]:
    """Return where an operation ran (`device`) and where its result lies (`memory`)."""
    return {"name": name, "device": str(device), "memory": None if memory is None else str(memory)}


def index(name: str) -> int:
    """Return the number in a device's name: "/GPU:1" gives 1."""
    return int(name.rsplit(":", 1)[1])


def rows_of(counts: dict[tuple[str, str, bool], int]) -> list[dict[str, Any]]:
    """Return counted operations as rows, in a stable order."""
    return [
        {"op": op, "device": device, "floating": floating, "count": count}
        for (op, device, floating), count in sorted(counts.items())
    ]
