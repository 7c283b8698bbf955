"""What a maker's tool or driver tells on the host while a process works: the memory it holds, heat, slowness."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from provision.model import Value


class HostView(Value):
    """What the host saw."""

    pid: int | None = None
    held_bytes: int = 0  # the most that was seen
    source: str = ""
    why: str = ""  # why the host cannot tell
    celsius: int | None = None  # the hottest moment of its GPUs while they soaked; None: not known
    slowed: tuple[str, ...] = ()  # every reason of slowness that was seen meanwhile

    def warmer(self, other: "HostView") -> "HostView":
        """Return this view with the heat of both."""
        warm = [one for one in (self.celsius, other.celsius) if one is not None]
        slowed = tuple(dict.fromkeys((*self.slowed, *other.slowed)))
        return msgspec.structs.replace(self, celsius=max(warm, default=None), slowed=slowed)


class Monitor(NamedTuple):
    """Who tells about a maker's GPUs on the host; the last argument of its functions is the tool's path, or None.

    Attributes:
        name: as reports call it.
        tool: what is started; empty where the kernel's files tell.
        memory: bytes by process, of the processes that are given.
        thermals: of this moment.
    """

    name: str
    tool: str
    memory: Callable[[tuple[int, ...], str | None], dict[int, int]]
    thermals: Callable[[str | None], HostView]


def content(path: Path) -> bytes:
    """Return a file of /proc or /sys; nothing where it ended in between, or is another user's."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
