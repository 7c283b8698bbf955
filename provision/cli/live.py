"""Shows what long work is at: one living line on a terminal, elsewhere a line a step and one every few seconds."""

import shutil
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, NamedTuple

import msgspec

from provision.cli.context import is_terminal
from provision.cli.output import Talk, detail, log, say, warn
from provision.cli.sanitize import plain
from provision.cli.streams import talk
from provision.compat import Self
from provision.model.events import Event

DRAWN: Final = 0.5  # seconds between two drawings of the living line
SILENCE: Final = 9.0  # seconds without a line, where there is no terminal: a log gets one at least every 10 s
CLEAR: Final = "\r\x1b[2K"
_SAID: Final = 60  # characters of what a step wrote last
_LEAST: Final = 20  # columns that the name of a step has at least
_SOON: Final = 3.0  # seconds after which a rate is worth telling
_ENOUGH: Final = 0.25  # of all bytes, from which on one is: uv counts whole files, and first there is none
_GB: Final = 1_000_000_000


class Took(NamedTuple):
    """A step that has ended, for the table of `--timings`."""

    words: str
    seconds: float
    state: str


class Live:
    """Takes events while the work runs; leaving the block removes the living line.

    Its clock counts from the beginning of the work, so it never runs backwards, whichever step is shown.
    """

    def __init__(self, title: str) -> None:
        self._title = f"{title:<9} "  # "Verify", as the lines of its log begin
        self._mode = Talk.progress
        self._terminal = self._mode == "rich" or (self._mode == "auto" and is_terminal())
        self._event = Event(phase="start")
        self._running: dict[str, tuple[Event, float]] = {}  # steps beside each other, each with its beginning
        self._told: set[str] = set()  # steps that have ended: a late report of their output is no new beginning
        self._begun = self._spoken = self._since = time.monotonic()
        self._took: list[Took] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._clock = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        self._clock.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._ended.set()
        self._clock.join()
        with self._lock:
            self._keep("failed" if error else "done")
        self._clear()
        self._table()

    def __call__(self, event: Event) -> None:
        """Take what has begun, goes on or has ended."""
        with self._lock:
            if event.state:
                self._step(event)
                return
            if event.title != self._event.title:
                self._keep("done")
                self._since = time.monotonic()
            self._write(event, changed=event.words != self._event.words)
            self._event = event

    def log(self, text: str) -> None:
        """Talk, as `output.log`, without disturbing the living line; a warning is told to those who want quiet too."""
        with self._lock:
            self._line(text, (warn if text.startswith("warning") else log))

    def detail(self, text: str) -> None:
        """Talk about what needs no action, for those who want it."""
        with self._lock:
            self._line(text, detail)

    def _step(self, event: Event) -> None:
        """Take a report about a step that runs beside others."""
        key = event.key or event.phase
        if key in self._told:
            return
        if event.state == "running":
            began = key not in self._running
            begun = time.monotonic() if began else self._running[key][1]
            said = event.said or ("" if began else self._running[key][0].said)
            self._running[key] = (msgspec.structs.replace(event, said=said), begun)
            self._write(event, changed=began)
            return
        self._told.add(key)
        self._running.pop(key, None)
        self._took.append(Took(event.title, event.seconds, event.state))
        self._write(event, changed=True)
        if event.state != "cached" and self._mode != "json":
            self._line(f"{event.title}  {event.seconds:.1f} s" + ("  FAILED" if event.state == "failed" else ""), log)

    def _keep(self, state: str) -> None:
        """Note how long what was done until now took, where it is no step."""
        seconds = time.monotonic() - self._since
        if self._event.phase != "start":
            self._took.append(Took(self._event.title, seconds, state))

    def _write(self, event: Event, *, changed: bool) -> None:
        """Print an event for programs: each change, and how it goes on every second or so."""
        if self._mode == "json" and (changed or time.monotonic() - self._spoken >= 2 * DRAWN):
            elapsed = round(time.monotonic() - self._begun, 1)
            words = {"title": self._title.strip(), "elapsed": elapsed, "words": event.words}
            say(msgspec.json.encode(words | msgspec.to_builtins(event)).decode())
            self._spoken = time.monotonic()

    def _line(self, text: str, tell: Callable[[str], None]) -> None:
        self._clear()
        tell(f"{self._title}{text}")
        self._spoken = time.monotonic()

    def _tick(self) -> None:
        while not self._ended.wait(DRAWN):
            with self._lock:
                if self._terminal:
                    self._draw()
                elif self._mode in {"auto", "plain"}:
                    self._speak()

    def _draw(self) -> None:
        width = shutil.get_terminal_size().columns - 1
        talk(CLEAR + plain(f"{self._title}{self._now(width - len(self._title))}")[:width])

    def _speak(self) -> None:
        if time.monotonic() - self._spoken >= SILENCE:
            self._line(self._now(), log)

    def _now(self, width: int = 0) -> str:
        """Return what is done now: the step that began last, the time, and how far it is; the step's name gives way."""
        event, begun = max(self._running.values(), key=_order, default=(self._event, self._since))
        now = time.monotonic()
        elapsed, words = clock(now - self._begun), event.words
        told = amount(event, now - begun)
        if width and len(words) + len(elapsed) + len(told) + 4 > width:
            told = amount(event, now - begun, brief=True)
        rest = "".join(f"  {one}" for one in (elapsed, told) if one)
        words = shortened(words, max(width - len(rest), _LEAST)) if width else words
        left = width - len(words) - len(rest) - 2 if width else _SAID
        return f"{words}{rest}" if told or not event.said or left < _LEAST else f"{words}{rest}  {event.said[:_SAID]}"

    def _clear(self) -> None:
        if self._terminal:
            talk(CLEAR)

    def _table(self) -> None:
        """Print what took how long, where that was asked for."""
        if not Talk.timings:
            return
        for one in self._took:
            told = {"cached": "cached", "failed": f"{one.seconds:.1f} s  FAILED"}.get(one.state, f"{one.seconds:.1f} s")
            warn(f"Timing    {one.words:<56} {told}")
        warn(f"Timing    {self._title.strip() + ' in all':<56} {time.monotonic() - self._begun:.1f} s")


def _order(running: tuple[Event, float]) -> tuple[int, float]:
    """Return what sorts the step to be shown last: the image's own before what is done beside it."""
    event, begun = running
    return event.number, begun


def clock(seconds: float) -> str:
    """Return a time as "0:41" or "1:02:03"."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def shortened(words: str, room: int) -> str:
    """Return words in at most `room` columns; what is left out ends with a word where it can."""
    if len(words) <= room:
        return words
    whole = words[: room - 2].rpartition(" ")[0].rstrip()
    return f"{whole if len(whole) > room // 2 else words[: room - 3]}..."


def amount(event: Event, seconds: float, *, brief: bool = False) -> str:
    """Return how much is there after `seconds` of a step: "1.2 of 2.5 GB  31 MB/s  about 0:42 left"; "" if not told.

    Args:
        event: the step.
        seconds: since it began.
        brief: without the rate.
    """
    done, total = event.done_bytes, event.total_bytes
    if not total:
        return ""
    if done >= total:
        return f"{total / _GB:.1f} GB fetched" if total >= _GB else f"{total / 1e6:.0f} MB fetched"
    told = f"{done / _GB:.1f} of {total / _GB:.1f} GB" if total >= _GB else f"{done / 1e6:.0f} of {total / 1e6:.0f} MB"
    if done < total * _ENOUGH or seconds < _SOON:
        return told
    rate = done / seconds
    parts = (told, "" if brief else f"{rate / 1e6:.0f} MB/s", f"about {clock((total - done) / rate + 1)} left")
    return "  ".join(filter(None, parts))
