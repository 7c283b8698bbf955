"""Shows a build's steps on stderr: one living line on a terminal, a line a step elsewhere.

What was cached says nothing here; the build's last line counts it.
"""

import re
import shutil
import threading
import time

from provision.cli.context import is_terminal
from provision.cli.output import log
from provision.cli.sanitize import plain
from provision.cli.streams import talk
from provision.engine.protocol import BuildStep

_HOUSEKEEPING = re.compile(r"\[internal\]|copy /context|\[[^]]*\] FROM ")  # steps that tell a person nothing
_MOUNT = re.compile(r"--mount=\S+\s+")
_WIDTH = 100


class Progress:
    """Prints each step once it is over; on a terminal also the one that runs, with the time it has taken."""

    def __init__(self) -> None:
        self._printed: set[int] = set()
        self._started: set[int] = set()
        self._running: tuple[BuildStep, float] | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._clock = threading.Thread(target=self._tick, daemon=True) if is_terminal() else None
        if self._clock:
            self._clock.start()

    def __call__(self, step: BuildStep) -> None:
        """Take a report about a step."""
        if _HOUSEKEEPING.match(step.name) or step.index in self._printed or step.state == "cached":
            return
        with self._lock:
            if step.state == "running":
                self._start(step)
            else:
                self._printed.add(step.index)
                self._clear()
                log(f"  {step.seconds:6.1f} s  {_short(step.name)}" + ("  FAILED" if step.state == "failed" else ""))

    def close(self) -> None:
        """Remove the living line and end its clock."""
        self._ended.set()
        if self._clock:
            self._clock.join()
        self._clear()

    def _start(self, step: BuildStep) -> None:
        if self._clock:
            self._running = (step, time.monotonic() - step.seconds)
        elif step.index not in self._started:
            self._started.add(step.index)
            log(f"   started  {_short(step.name)}")

    def _tick(self) -> None:
        while not self._ended.wait(0.5):
            with self._lock:
                if self._running and self._running[0].index not in self._printed:
                    self._draw(*self._running)

    def _draw(self, step: BuildStep, begun: float) -> None:
        last = step.log.strip().splitlines()[-1:]
        words = f"  {time.monotonic() - begun:6.0f} s  {_short(step.name)}" + (f"  {last[0]}" if last else "")
        talk("\r\x1b[2K" + plain(words)[: shutil.get_terminal_size().columns - 1])

    def _clear(self) -> None:
        if self._clock:
            talk("\r\x1b[2K")


def _short(name: str) -> str:
    words = _MOUNT.sub("", " ".join(name.split()))
    return words if len(words) <= _WIDTH else f"{words[: _WIDTH - 3]}..."
