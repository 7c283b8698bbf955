"""The workload's events, read from what a container prints: bounded, strict, and without any say in the verdict.

An image knows the run's number and so can print events of its own. They are made of known words and small numbers, and
only of phases that happen inside; what is judged, and that the control runs, this program says itself.
"""

from typing import Annotated, Final

import msgspec

from provision.model import Value, decode
from provision.model.events import Event, Inside, OnEvent

MARKER: Final = "KGPU-ENV-EVENT"
LONGEST: Final = 500  # bytes of a line; a longer one is none of ours
MOST: Final = 5000  # events of one run

_Count = Annotated[int, msgspec.Meta(ge=0, le=999_999)]


class _Told(Value):
    """An event as the workload writes it."""

    phase: Inside
    device: Annotated[str, msgspec.Meta(pattern=r"^(/(GPU|CPU):[0-9]{1,4})?$(?!\n)")] = ""
    number: _Count = 0
    total: _Count = 0
    epoch: _Count = 0
    epochs: _Count = 0


class Listener:
    """Hands events to somebody whose failure changes nothing: it is not called again."""

    def __init__(self, on_event: OnEvent) -> None:
        self._on_event: OnEvent | None = on_event

    def __call__(self, event: Event) -> None:
        """Hand an event over."""
        try:
            if self._on_event:
                self._on_event(event)
        except Exception:  # noqa: BLE001 - whatever it is, a display must not end a verification
            self._on_event = None


class EventReader:
    """Finds the events of one run in its output, wherever that was cut."""

    def __init__(self, nonce: str, listener: Listener, within: str = "") -> None:
        self._start = f"{MARKER} {nonce} ".encode()
        self._listener = listener
        self._within = within
        self._line = b""
        self._told = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of stdout in."""
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            self._take(self._line + line)
            self._line = b""
        self._line = (self._line + rest)[: LONGEST + 1]

    def _take(self, line: bytes) -> None:
        if len(line) > LONGEST or not line.startswith(self._start) or self._told >= MOST:
            return
        try:
            told = decode(line.removeprefix(self._start), _Told)
        except msgspec.MsgspecError:
            return
        self._told += 1
        self._listener(
            Event(
                phase=told.phase,
                within=self._within,
                subject=told.device,
                number=told.number,
                total=told.total,
                epoch=told.epoch,
                epochs=told.epochs,
            )
        )
