"""Shows what long work is at: one living line on a terminal, elsewhere a line every few seconds of silence."""

import shutil
import threading
import time
from types import TracebackType
from typing import Final

from provision.cli.context import is_terminal
from provision.cli.output import log
from provision.cli.sanitize import plain
from provision.cli.streams import talk
from provision.compat import Self
from provision.model.events import Event

DRAWN: Final = 0.5  # seconds between two drawings of the living line
SILENCE: Final = 9.0  # seconds without a line, where there is no terminal: a log gets one at least every 10 s
CLEAR: Final = "\r\x1b[2K"


class Live:
    """Takes events while the work runs; leaving the block removes the living line."""

    def __init__(self, title: str) -> None:
        self._title = f"{title:<9} "  # "Verify", as the lines of its log begin
        self._terminal = is_terminal()
        self._event = Event(phase="start")
        self._begun = self._spoken = time.monotonic()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._clock = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        self._clock.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._ended.set()
        self._clock.join()
        self._clear()

    def __call__(self, event: Event) -> None:
        """Take what has begun."""
        with self._lock:
            self._event = event

    def log(self, text: str) -> None:
        """Talk, as `output.log`, without disturbing the living line."""
        with self._lock:
            self._clear()
            log(f"{self._title}{text}")
            self._spoken = time.monotonic()

    def _tick(self) -> None:
        while not self._ended.wait(DRAWN):
            with self._lock:
                self._draw() if self._terminal else self._speak()

    def _draw(self) -> None:
        words = plain(f"{self._title}{self._elapsed()} s  {self._event.words}")
        talk(CLEAR + words[: shutil.get_terminal_size().columns - 1])

    def _speak(self) -> None:
        if time.monotonic() - self._spoken >= SILENCE:
            log(f"{self._title}after {self._elapsed()} s: {self._event.words}")
            self._spoken = time.monotonic()

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._begun:.0f}"

    def _clear(self) -> None:
        if self._terminal:
            talk(CLEAR)
