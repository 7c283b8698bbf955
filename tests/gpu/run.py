"""All that needs a GPU, in one command and without an engine: the proof of this environment on each backend it has.

    python3 tests/gpu/run.py fetch DIR        on a machine with a package index: the wheels that travel
    python3 tests/gpu/run.py run --wheels DIR [--out DIR] [--level standard]     on the machine with the GPU
    python3 tests/gpu/run.py table [DIR]      the pages and the table, made anew from the JSON documents in a folder

The second needs Python 3.11 or newer with JAX, torch or TensorFlow in it, and no network. Nothing is installed into
that Python: Keras and this tool's own dependencies are unpacked into a temporary folder.

For each backend that can be imported: the environment must be proved, and proved again at the quick level; then `gate`
must say so from the record. With the GPU taken away in several ways (gpu_sabotage.py) it must not be proved. At last
the workload runs once more, and all that it recorded is kept. Each backend's files are written when it is done,
whatever comes of the next: NAME.json (the run), NAME.md, NAME.evidence.json, and NAME.html (the report's page, which is
kept out of git: it says what the JSON says). They go to the output folder, docs/hardware by default. Exit 0: all of
that was so. Standard library only.

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
import gpu_sabotage
import gpu_wheels
from gpu_machine import ENDING_SECONDS, Room, ask, call, card, host

ROOT = gpu_wheels.ROOT
HARDWARE = ROOT / "docs" / "hardware"
READY = "import importlib.util, sys; import provision.cli; sys.exit(importlib.util.find_spec('keras') is None)"
BACKENDS = ("torch", "jax", "tensorflow")
# Kept for each step that follows: a quick run took up to 28 s.
STEP_SECONDS = 35.0
# Of a run's time: what its workload may take. A proof has its control to run as well, which is quick.
WORKLOAD_PART = 0.6
WORKLOAD = {"nonce": "hardware", "parts": ["reference", "product", "profile", "speed", "libraries"], "minutes": 0.05}


def say(text: str) -> None:
    """Talk, on stderr."""
    sys.stderr.write(f"{text}\n")


def verify(
    vendor: str, backend: str, environment: dict[str, str], seconds: float, *more: str, soaking: float = 0.0
) -> tuple[int | None, dict[str, Any]]:
    """Return the exit code and the proof of this environment on a backend, or why there is none.

    Of the `seconds` the tool adds those of `soaking` to its workload's limit by itself.
    """
    words = ["verify", "--here", "--python", sys.executable, "--backend", backend]
    # What ends at its own limit still tells what it has, what is ended from here tells nothing.
    words += ["--vendor", vendor, "--timeout", str(max(10, int((seconds - soaking) * WORKLOAD_PART))), *more]
    ended, found = ask(words, environment, seconds)
    if "verdict" in found:
        return ended.code, found
    if {"code", "text", "fix"} <= found.keys():
        told = {"verdict": "refused", "code": found["code"], "reason": found["text"], "fix": found["fix"]}
        return ended.code, {**told, "checks": []}
    last = f"{ended.stdout}{ended.stderr}".strip()[-1500:] or "no output"
    reason = last if ended.code is not None else f"not done after {seconds:.0f} s: {last}"
    return ended.code, {"verdict": "none", "reason": reason, "checks": []}


def recorded(backend: str, vendor: str, environment: dict[str, str], seconds: float) -> str:
    """Return all that the workload records, as JSON, or the words it ended with."""
    spec = {**WORKLOAD, "vendor": vendor, "backend": backend, "device": "CPU" if vendor == "cpu" else "GPU"}
    words = [str(ROOT / "provision" / "prove" / "workload"), json.dumps(spec)]
    ended = call(words, environment, seconds, signal.SIGTERM)
    line = next((one for one in ended.stdout.splitlines() if one.startswith("KGPU-ENV-RESULT")), None)
    if line is None:
        return json.dumps({"code": ended.code, "stderr": ended.stderr[-20_000:]}, indent=1)
    return json.dumps({**json.loads(line.split(" ", 2)[2]), "stderr": ended.stderr[-20_000:]}, indent=1)


def gate(environment: dict[str, str]) -> dict[str, Any]:
    """Return what `gate` says of this environment from the record of its proof, and how long it took."""
    begun = time.monotonic()
    ended, found = ask(["gate", "--here", "--python", sys.executable], environment, 30)
    return {"exit": ended.code, "seconds": time.monotonic() - begun, "state": found.get("state", "none")}


def sabotage(
    one: gpu_sabotage.Sabotage, vendor: str, backend: str, environment: dict[str, str], seconds: float
) -> dict[str, Any]:
    """Return how a run ended whose GPU was taken away."""
    with gpu_sabotage.memory_taken() if one.taken else contextlib.nullcontext("") as held:
        if one.taken and not held:
            return {"name": one.name, "what": one.what, "skipped": "the driver library let nobody take the memory"}
        words = ("--level", "quick", *one.words)
        code, proof = verify(vendor, backend, {**environment, **one.environment}, seconds, *words)
    what = f"{one.what} ({held})" if held else one.what
    told = {key: proof.get(key, "") for key in ("verdict", "code", "reason", "seen", "fix", "log")}
    ending = (2, "refused") if one.refused else (7, "not-proved")
    right = (code, told["verdict"]) == ending and told["code"] in one.codes
    return {"name": one.name, "what": what, "exit": code, **told, "right": right}


def good(vendor: str, record: dict[str, Any]) -> bool:
    """Tell whether all runs ended as they must; a CPU has nothing to take away."""
    first, quick = ((record[key]["exit"], record[key]["proof"]["verdict"]) for key in ("first", "quick"))
    if vendor == "cpu":
        return first == quick == (0, "cpu")
    taken = [one for one in record["sabotage"] if "skipped" not in one]
    return (
        first == quick == (0, "proved")
        and (record["gate"]["exit"], record["gate"]["state"]) == (0, "proved")
        and bool(taken)
        and all(one["right"] for one in taken)
    )


def prove(backend: str, arguments: argparse.Namespace, environment: dict[str, str], room: Room, seconds: float) -> bool:
    """Prove one backend, with its GPU and with that taken away, within `seconds`, and write its files."""
    begun, now, seen, vendor = time.monotonic(), dt.datetime.now(dt.timezone.utc), host(environment), arguments.vendor
    name, driver = card(seen, vendor)
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    stem = f"{now:%Y-%m-%d}-{slug}-{backend}-{arguments.level}"
    html = room.out / f"{stem}.html"
    soaking = 60 * arguments.minutes if arguments.level == "soak" else 0.0
    minutes = ("--minutes", str(arguments.minutes)) if soaking else ()
    level = ("--level", arguments.level, *minutes, "--html", str(html))
    asked = [] if vendor == "cpu" else gpu_sabotage.sabotages(vendor, backend, environment)

    def left(after: int) -> float:
        return max(STEP_SECONDS, seconds - (time.monotonic() - begun) - ENDING_SECONDS - after * STEP_SECONDS)

    code, proof = verify(vendor, backend, environment, left(len(asked) + 2), *level, soaking=soaking)
    quick_code, quick = verify(vendor, backend, environment, left(len(asked) + 1), "--level", "quick")
    answer = gate(environment)
    taken = [sabotage(one, vendor, backend, environment, left(len(asked) - i)) for i, one in enumerate(asked)]
    if html.exists():
        room.write(html.name, html.read_text(encoding="utf-8"))
    record = {
        "schema": gpu_report.SCHEMA,
        "when": f"{now:%Y-%m-%d %H:%M} UTC",
        "gpu": name,
        "driver": driver,
        "vendor": vendor,
        "backend": backend,
        "level": arguments.level,
        "command": command(backend, arguments),
        "problem": seen.pop("problem", ""),
        "first": {"exit": code, "proof": proof},
        "quick": {"exit": quick_code, "proof": quick},
        "gate": answer,
        "sabotage": taken,
        "host": seen,
    }
    record |= {"seconds": time.monotonic() - begun, "right": good(vendor, record)}
    room.write(f"{stem}.json", json.dumps(record, indent=1))
    say(f"{backend}: {proof['verdict']} (exit {code}), {'as it must be' if record['right'] else 'NOT as it must be'}")
    say(f"  {room.plain(proof['reason'])}")
    for one in taken:
        why = one.get("reason") or one.get("skipped", "")
        say(f"  {one['name']}: {one.get('verdict', 'skipped')}: {room.plain(why)}")
    room.write(f"{stem}.evidence.json", recorded(backend, vendor, environment, left(0)))
    return bool(record["right"])


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
    asked = arguments.backends.split(",")
    present = [name for name in asked if find_spec(name)]
    soaking = 60 * arguments.minutes * len(present) if arguments.level == "soak" else 0
    end = time.monotonic() + arguments.within + soaking
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
    runs.add_argument("--within", type=float, default=1200.0, help="seconds for all but the soaking")
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
