"""All that needs a GPU, in one command and without an engine: the proof of this environment on each backend it has.

    python3 tests/gpu/run.py fetch DIR        on a machine with a package index: the wheels that travel
    python3 tests/gpu/run.py run --wheels DIR [--out DIR] [--level standard]     on the machine with the GPU
    python3 tests/gpu/run.py table [DIR]      the pages and the table, made anew from the JSON documents in a folder

The second needs Python 3.11 or newer with JAX, torch or TensorFlow in it, and no network. Nothing is installed into
that Python: Keras and this tool's own dependencies are unpacked into a temporary folder.

For each backend that can be imported: the environment must be proved, and must not be proved with its GPUs hidden;
then the workload runs once more, and all that it recorded is kept. Each backend's files are written when it is done,
whatever comes of the next: NAME.json (the run), NAME.html (the report's page), NAME.md and NAME.evidence.json. They go
to the output folder, docs/hardware by default. Exit 0: all of that was so. Standard library only.

On a machine without a GPU, `run --vendor cpu --out DIR` rehearses it.
"""

import argparse
import contextlib
import datetime as dt
import json
import os
import re
import signal
import sys
import tempfile
import time
import traceback
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gpu_report
import gpu_wheels
from gpu_machine import ENDING_SECONDS, MAIN, Room, call, card, host

ROOT = gpu_wheels.ROOT
HARDWARE = ROOT / "docs" / "hardware"
READY = "import importlib.util, sys; import provision.cli; sys.exit(importlib.util.find_spec('keras') is None)"
BACKENDS = ("torch", "jax", "tensorflow")
HIDE = {"CUDA_VISIBLE_DEVICES": "-1", "HIP_VISIBLE_DEVICES": "-1", "ROCR_VISIBLE_DEVICES": "-1"}
NOT_PROVED = 7
WORKLOAD = {"nonce": "hardware", "parts": ["reference", "product", "profile", "speed", "libraries"], "minutes": 0.05}


def say(text: str) -> None:
    """Talk, on stderr."""
    sys.stderr.write(f"{text}\n")


def verify(
    backend: str, arguments: argparse.Namespace, environment: dict[str, str], seconds: float, html: Path | None
) -> tuple[int | None, dict[str, Any]]:
    """Return the exit code and the proof of this environment on a backend, or why there is none.

    With an `html` it is the run at the level asked for, else the quick one with the GPUs hidden.
    """
    words = ["-c", MAIN, "verify", "--here", "--python", sys.executable, "--json", "--backend", backend]
    words += ["--vendor", arguments.vendor, "--level", arguments.level if html else "quick"]
    # The run and its control have a limit each; what ends at it still tells what it has.
    words += ["--timeout", str(max(5, int(seconds * (0.72 if html else 0.9) - 5)))]
    if html and arguments.level == "soak":
        words += ["--minutes", str(arguments.minutes)]
    if html:
        words += ["--html", str(html)]
    ended = call(words, environment, seconds)
    with contextlib.suppress(json.JSONDecodeError):
        found: dict[str, Any] = json.loads(ended.stdout)
        if "verdict" in found:  # else it is a document that tells an error
            return ended.code, found
    last = f"{ended.stdout}{ended.stderr}".strip()[-1500:] or "no output"
    reason = last if ended.code is not None else f"not done after {seconds:.0f} s: {last}"
    return ended.code, {"verdict": "none", "reason": reason, "checks": []}


def recorded(backend: str, vendor: str, environment: dict[str, str], seconds: float) -> str:
    """Return all that the workload records, as JSON, or the words it ended with."""
    spec = {**WORKLOAD, "backend": backend, "device": "CPU" if vendor == "cpu" else "GPU"}
    words = [str(ROOT / "provision" / "prove" / "workload"), json.dumps(spec)]
    ended = call(words, environment, seconds, signal.SIGTERM)
    line = next((one for one in ended.stdout.splitlines() if one.startswith("KGPU-ENV-RESULT")), None)
    if line is None:
        return json.dumps({"code": ended.code, "stderr": ended.stderr[-20_000:]}, indent=1)
    return json.dumps({**json.loads(line.split(" ", 2)[2]), "stderr": ended.stderr[-20_000:]}, indent=1)


def good(vendor: str, code: int | None, proof: dict[str, Any], hidden_code: int | None, hidden: dict[str, Any]) -> bool:
    """Tell whether both runs ended as they must; a CPU has nothing to hide."""
    if vendor == "cpu":
        return (code, proof["verdict"]) == (0, "cpu")
    return (code, proof["verdict"], hidden_code, hidden["verdict"]) == (0, "proved", NOT_PROVED, "not-proved")


def prove(backend: str, arguments: argparse.Namespace, environment: dict[str, str], room: Room, seconds: float) -> bool:
    """Prove one backend with and without its GPUs within `seconds`, and write its files."""
    begun, now, seen = time.monotonic(), dt.datetime.now(dt.UTC), host(environment)
    name, driver = card(seen, arguments.vendor)
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    stem = f"{now:%Y-%m-%d}-{slug}-{backend}"
    html = room.out / f"{stem}.html"
    code, proof = verify(backend, arguments, environment, 0.72 * seconds, html)
    hidden_code, hidden = verify(backend, arguments, {**environment, **HIDE}, 0.2 * seconds, None)
    right = good(arguments.vendor, code, proof, hidden_code, hidden)
    if html.exists():
        room.write(html.name, html.read_text(encoding="utf-8"))
    record = {
        "schema": gpu_report.SCHEMA,
        "when": f"{now:%Y-%m-%d %H:%M} UTC",
        "gpu": name,
        "driver": driver,
        "vendor": arguments.vendor,
        "backend": backend,
        "level": arguments.level,
        "command": command(backend, arguments),
        "seconds": time.monotonic() - begun,
        "right": right,
        "exit": code,
        "problem": seen.pop("problem", ""),
        "proof": proof,
        "hidden": {"exit": hidden_code, **{key: hidden.get(key, "") for key in ("verdict", "code", "reason", "seen")}},
        "host": seen,
    }
    room.write(f"{stem}.json", json.dumps(record, indent=1))
    say(f"{backend}: {proof['verdict']} (exit {code}), hidden: {hidden['verdict']} (exit {hidden_code})")
    say(f"  {'as it must be' if right else 'NOT as it must be'}: {room.plain(proof['reason'])}")
    left = seconds - (time.monotonic() - begun) - ENDING_SECONDS
    if left > 0:
        room.write(f"{stem}.evidence.json", recorded(backend, arguments.vendor, environment, left))
    return right


def command(backend: str, arguments: argparse.Namespace) -> str:
    """Return the command that does this again, without this machine's paths."""
    minutes = f" --minutes {arguments.minutes:g}" if arguments.level == "soak" else ""
    rest = f"--vendor {arguments.vendor} --level {arguments.level}{minutes} --backends {backend}"
    return f"python3 tests/gpu/run.py run --wheels wheels {rest}"


def attempt(
    backend: str, arguments: argparse.Namespace, environment: dict[str, str], room: Room, seconds: float
) -> bool:
    """Prove one backend; its own failure, of whatever kind, leaves the others their turn."""
    say(f"{backend}: up to {seconds:.0f} s")
    try:
        return prove(backend, arguments, environment, room, seconds)
    except Exception:  # noqa: BLE001 - time on the machine is short, and what broke is in the trace
        trace = traceback.format_exc()
        say(trace)
        room.write(f"{backend}-failed.txt", trace)
        return False


def run(arguments: argparse.Namespace) -> int:
    """Prove each backend, write the reports, and return the exit code."""
    end = time.monotonic() + arguments.within
    asked = arguments.backends.split(",")
    present = [name for name in asked if find_spec(name)]
    if not present:
        say(f"none of {arguments.backends} is installed for {sys.executable}")
        return 2
    arguments.out.mkdir(parents=True, exist_ok=True)
    results = []
    with tempfile.TemporaryDirectory() as target:
        if arguments.wheels:
            gpu_wheels.unpack(arguments.wheels, Path(target))
        path = os.pathsep.join(filter(None, (str(ROOT), target, os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "PYTHONPATH": path, "XDG_STATE_HOME": target}
        started = call(["-c", READY], environment, 120)
        if started.code != 0:
            say(f"Keras or this tool's dependencies are missing; run.py fetch, --wheels: {started.stderr[-500:]}")
            return 2
        room = Room(arguments.out.resolve(), Path(target))
        for i, backend in enumerate(present):
            seconds = (end - time.monotonic()) / (len(present) - i)
            results.append(attempt(backend, arguments, environment, room, seconds))
            gpu_report.write(room.out)
    if set(asked) - set(present):
        say(f"not installed, so not seen: {', '.join(sorted(set(asked) - set(present)))}")
    return 0 if all(results) else 1


def options() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    wheels = commands.add_parser("fetch")
    wheels.add_argument("folder", type=Path)
    wheels.add_argument("--python", action="append", help="of the other machine, such as 3.12; repeatable")
    commands.add_parser("table").add_argument("folder", type=Path, nargs="?", default=HARDWARE)
    runs = commands.add_parser("run")
    runs.add_argument("--wheels", type=Path)
    runs.add_argument("--out", type=Path, default=HARDWARE)
    runs.add_argument("--backends", default=",".join(BACKENDS))
    runs.add_argument("--vendor", default="cuda", choices=("cuda", "rocm", "cpu"))
    runs.add_argument("--level", default="standard", choices=("quick", "standard", "soak"))
    runs.add_argument("--minutes", type=float, default=1.0, help="of soaking, with --level soak")
    runs.add_argument("--within", type=float, default=560.0, help="seconds for all of it")
    return parser


def main() -> int:
    """Parse the command line and do it."""
    # Started in the background this program ignores Ctrl-C, and so would all that it has to interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    arguments = options().parse_args()
    if arguments.command == "fetch":
        return gpu_wheels.fetch(arguments.folder, tuple(arguments.python or gpu_wheels.VERSIONS))
    if arguments.command == "table":
        gpu_report.write(arguments.folder)
        return 0
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
