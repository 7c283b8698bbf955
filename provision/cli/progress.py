"""Shows a build's steps on stderr: rewritten lines on a terminal, plain lines elsewhere."""

import shutil
import sys

from provision.cli.output import plain, say
from provision.cli.session import is_terminal
from provision.engine.protocol import BuildStep


class Progress:
    """Prints each step once it is over, and on a terminal the one that runs."""

    def __init__(self) -> None:
        self._live = is_terminal()
        self._told: set[int] = set()
        self._started: set[int] = set()

    def __call__(self, step: BuildStep) -> None:
        """Take a report about a step."""
        if step.state == "running":
            self._running(step)
        elif step.index not in self._told:
            self._told.add(step.index)
            self._clear()
            time = "cached" if step.state == "cached" else f"{step.seconds:.1f} s"
            say(f"  {time:>8}  {_short(step.name)}" + ("  FAILED" if step.state == "failed" else ""))

    def close(self) -> None:
        """Remove the line of the running step."""
        self._clear()

    def _running(self, step: BuildStep) -> None:
        if self._live:
            last = step.log.strip().splitlines()[-1:] if step.log else []
            words = f"  {step.seconds:6.0f} s  {_short(step.name)}" + (f"  {last[0]}" if last else "")
            sys.stderr.write("\r\x1b[2K" + plain(words)[: shutil.get_terminal_size().columns - 1])
            sys.stderr.flush()
        elif step.index not in self._started and step.name.startswith("["):
            self._started.add(step.index)
            say(f"   started  {_short(step.name)}")

    def _clear(self) -> None:
        if self._live:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()


def _short(name: str) -> str:
    words = " ".join(name.split())
    limit = 100
    return words if len(words) <= limit else f"{words[: limit - 3]}..."
