"""Times commands in turn, A B A B, so that a drift of the machine meets both alike; ratios are what counts."""

import os
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Taken(NamedTuple):
    """One run of a command."""

    wall: float  # seconds
    cpu: float  # seconds of user and system time, children included


def run(command: Sequence[str], expect: int = 0, cwd: Path | None = None) -> Taken:
    """Run a command to its end; its output is dropped unless it fails."""
    before, begun = os.times(), time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    wall, after = time.monotonic() - begun, os.times()
    if done.returncode != expect:
        raise SystemExit(f"{' '.join(command)[:200]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Taken(wall, cpu)


def in_turn(commands: Mapping[str, Sequence[str]], runs: int) -> dict[str, list[Taken]]:
    """Return the runs of each command, after one that is not counted."""
    taken: dict[str, list[Taken]] = {name: [] for name in commands}
    for number in range(runs + 1):
        for name, command in commands.items():
            one = run(command)
            if number:
                taken[name].append(one)
    return taken


def median(taken: Sequence[Taken], what: str = "wall") -> float:
    """Return the median wall or cpu seconds."""
    return statistics.median(one.cpu if what == "cpu" else one.wall for one in taken)


def machine() -> str:
    """Return what the figures were taken on."""
    return f"{os.cpu_count()} cores, Linux {os.uname().release.split('-')[0]}, {time.strftime('%Y-%m-%d')}"
