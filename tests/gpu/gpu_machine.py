"""What is asked of the machine with the GPU: its commands, what it is, and what it calls its places."""

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from gpu_wheels import ROOT

MAIN = "from provision.cli import main; main()"
ENDING_SECONDS = 20.0  # for the tool to end what it started, and for its last words


class Ended(NamedTuple):
    """How a command ended."""

    code: int | None  # None: it was ended at its limit
    stdout: str
    stderr: str


def call(
    words: list[str], environment: dict[str, str], seconds: float, politely: signal.Signals = signal.SIGINT
) -> Ended:
    """Run this Python with `words`, for so many seconds; at the limit it is asked to end, so that it ends its own."""
    process = subprocess.Popen(
        [sys.executable, *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    for end in (None, politely, signal.SIGKILL):
        if end is not None:
            process.send_signal(end)
        try:
            stdout, stderr = process.communicate(timeout=max(seconds, 1.0) if end is None else ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return Ended(process.returncode if end is None else None, stdout, stderr)
    return Ended(None, "", "it could not be ended")


def ask(words: list[str], environment: dict[str, str], seconds: float) -> tuple[Ended, dict[str, Any]]:
    """Run a command of the tool; return how it ended and the document that it printed, empty where that is none."""
    ended = call(["-c", MAIN, *words, "--json"], environment, seconds)
    found: Any = None
    with contextlib.suppress(json.JSONDecodeError):
        found = json.loads(ended.stdout)
    return ended, found if isinstance(found, dict) else {}


def host(environment: dict[str, str]) -> dict[str, Any]:
    """Return this machine as the tool's probe sees it, without its engine."""
    ended, found = ask(["probe"], environment, 60)
    if not found:
        return {"problem": (ended.stderr or "no output").strip()[-1500:]}
    return {key: value for key, value in found.items() if key not in {"engine", "toolkits"}}


def card(seen: dict[str, Any], vendor: str) -> tuple[str, str]:
    """Return the first GPU's name and its driver: the probe's words, else nvidia-smi's."""
    if vendor == "cpu":
        return "no GPU", "none"
    gpus, drivers = seen.get("gpus") or [{}], seen.get("drivers") or [{}]
    name, driver = gpus[0].get("name"), drivers[0].get("version")
    if name and driver:
        return str(name), str(driver)
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        lines = subprocess.run(query, capture_output=True, text=True, check=False, timeout=30).stdout.splitlines()
    except (OSError, subprocess.TimeoutExpired):
        lines = []
    told = lines[0].split(", ") if lines else []
    return (told[0], told[1]) if len(told) == 2 else (str(name or "unknown GPU"), str(driver or "unknown"))


class Room:
    """Where a run writes, and what it calls the places of this machine, which are nobody's business."""

    def __init__(self, out: Path, target: Path) -> None:
        self.out = out
        # The longest first: the one may lie within the other.
        places = {str(ROOT): ".", str(target): "wheels", sys.executable: "python3", str(out): "out"}
        if sys.prefix != sys.base_prefix:  # a system's own /usr is no secret
            places[sys.prefix] = "/venv"
        self.places = sorted(places.items(), key=lambda place: -len(place[0]))

    def plain(self, text: str) -> str:
        """Return a text without this machine's paths."""
        for path, name in self.places:
            text = text.replace(path, name)
        return text

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        (self.out / name).write_text(self.plain(text), encoding="utf-8")
