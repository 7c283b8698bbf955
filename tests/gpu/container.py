"""The proof seen inside a container, on a machine with NVIDIA GPUs that has no engine and no network.

    python3 tests/gpu/container.py prepare DIR [--python 3.12]       on Debian 12, as root, with apt and a package index
    python3 tests/gpu/container.py run DIR [--out DIR]               on the machine with the GPU, as root
    python3 tests/gpu/container.py table [DIR]                       the pages and the table, made anew

`prepare` makes what travels, at most 64 MiB with this repository: Docker of Debian's unstable suite with Debian 12's
runc, and wheels of Keras and of this tool's own dependencies. `run` needs Python 3.11 or newer with JAX or torch for
CUDA in it. It first finds out what the machine lacks, then starts Docker apart from the machine's network and mounts,
imports an image of that Python, writes a CDI specification, and proves the image with `kgpu-env verify`; the steps are
in container_steps.py. It takes ten minutes at most and leaves nothing but its report, NAME-container.json and .md, in
docs/hardware or the folder given. Exit 0: every step ended as it must.

A rehearsal on a machine without a GPU has made-up device nodes and libraries below --root and its host from --host.
"""

import argparse
import datetime as dt
import json
import os
import re
import shutil
import site
import subprocess
import sys
import tarfile
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import container_report
import gpu_docker
import gpu_wheels
from gpu_machine import Room, card, host

ROOT = gpu_wheels.ROOT
ENGINE = "engine.tar.xz"
LIMIT = 64 << 20  # what may travel, with this repository
FRAMEWORKS = "jax,torch"  # the quicker one first
WITHIN = 540.0  # seconds for the steps: of ten minutes, without unpacking and the end
ENDING_SECONDS = 45.0


def say(text: str) -> None:
    """Talk, on stderr."""
    sys.stderr.write(f"{text}\n")


def prepare(folder: Path, version: str) -> int:
    """Make what travels; return 0 when it is there and small enough."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kgpu-debian-") as name:
        apt = gpu_docker.Apt(Path(name) / "apt")
        apt("update")
        apt.unpack(Path(name) / "tree", gpu_docker.PACKAGES)
        gpu_docker.pack(Path(name) / "tree", folder / ENGINE)
    code = gpu_wheels.fetch(folder / "wheels", (version,))
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) + repository(folder)
    say(f"{size / (1 << 20):.1f} MiB travel, this repository among them; {LIMIT >> 20} MiB may")
    return code or int(size > LIMIT)


def repository(beside: Path) -> int:
    """Return the bytes of the files that git knows, or would take, without a folder that may lie among them."""
    words = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split("\0")
    paths = [ROOT / name for name in names if name and not (ROOT / name).is_relative_to(beside.resolve())]
    return sum(path.stat().st_size for path in paths if path.is_file())


def run(arguments: argparse.Namespace) -> int:
    """Unpack what travelled, take the steps in a process that can import it, and return the exit code."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kgpu-c-") as name:
        folder = Path(name)
        programs, wheels = folder / "engine", folder / "wheels"
        with tarfile.open(arguments.folder / ENGINE) as archive:
            archive.extractall(programs)
        if (arguments.folder / "wheels").is_dir():
            gpu_wheels.unpack(arguments.folder / "wheels", wheels)
        path = os.pathsep.join(filter(None, (str(ROOT), str(wheels), os.environ.get("PYTHONPATH"))))
        # The caches and records that the tool makes are this run's own.
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONUSERBASE": site.getuserbase()}
        environment |= {"HOME": name, "XDG_STATE_HOME": str(folder / "state")}
        environment.pop("DOCKER_HOST", None)
        words = [sys.executable, __file__, "steps", str(folder), "--out", str(arguments.out.resolve())]
        words += ["--within", str(arguments.within), "--root", str(arguments.root), "--only", arguments.only]
        words += ["--frameworks", arguments.frameworks]
        if arguments.host:
            shutil.copy(arguments.host, folder / "host.json")
        with subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL) as process:
            try:
                return process.wait(arguments.within + ENDING_SECONDS)
            except (subprocess.TimeoutExpired, KeyboardInterrupt):
                process.terminate()  # Docker ends with it
                process.wait()
                return 1


def steps(arguments: argparse.Namespace) -> int:
    """Take the steps, write the report after each, and return the exit code."""
    from container_scene import OK, Scene, chosen, take_all  # noqa: PLC0415 - importable only with the wheels
    from container_steps import STEPS  # noqa: PLC0415 - as above

    folder, begun = arguments.folder, time.monotonic()
    names = [name for name in arguments.only.split(",") if name]
    if unknown := set(names) - {step.name for step in STEPS}:
        say(f"no step is called {', '.join(sorted(unknown))}; there are: {', '.join(step.name for step in STEPS)}")
        return 2
    wheels, told = folder / "wheels", folder / "host.json"
    frameworks = tuple(name for name in arguments.frameworks.split(",") if find_spec(name))
    scene = Scene(
        folder=folder,
        programs=folder / "engine",
        wheels=wheels if wheels.is_dir() else None,
        frameworks=frameworks,
        environment=dict(os.environ),
        root=arguments.root,
        host_file=told if told.is_file() else None,
    )
    report = heading(arguments, told.is_file(), frameworks)
    room, stem = Room(arguments.out, folder), report.pop("stem")

    def on_step(step: dict[str, Any]) -> None:
        say(f"{step['seconds']:6.1f} s  {step['name']}: {step['outcome']}  {room.plain(step['why'])}".rstrip())
        report["steps"].append(step)
        report["seconds"] = time.monotonic() - begun
        report["right"] = all(one["outcome"] == OK for one in report["steps"])
        room.write(f"{stem}.json", json.dumps(report, indent=1))

    take_all(scene, chosen(STEPS, names), arguments.within, on_step)
    container_report.write(arguments.out)
    return 0 if report["right"] else 1


def heading(arguments: argparse.Namespace, rehearsal: bool, frameworks: tuple[str, ...]) -> dict[str, Any]:  # noqa: FBT001 - one of three values
    """Return the report before its first step."""
    now = dt.datetime.now(dt.timezone.utc)
    name, driver = ("no GPU", "none") if rehearsal else card(host(dict(os.environ)), "cuda")
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return {
        "schema": container_report.SCHEMA,
        "stem": f"{now:%Y-%m-%d}-{slug}-container",
        "when": f"{now:%Y-%m-%d %H:%M} UTC",
        "gpu": name,
        "driver": driver,
        "rehearsal": rehearsal or arguments.root != Path("/"),
        "frameworks": frameworks,
        "python": sys.version.split()[0],
        "kernel": os.uname().release,
        "steps": [],
    }


def options() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    prepares = commands.add_parser("prepare")
    prepares.add_argument("folder", type=Path)
    prepares.add_argument("--python", default="3.12", help="of the other machine")
    commands.add_parser("table").add_argument("folder", type=Path, nargs="?", default=ROOT / "docs" / "hardware")
    for name in ("run", "steps"):  # the second is the first's own
        runs = commands.add_parser(name)
        runs.add_argument("folder", type=Path)
        runs.add_argument("--out", type=Path, default=ROOT / "docs" / "hardware")
        runs.add_argument("--within", type=float, default=WITHIN, help="seconds for all steps")
        runs.add_argument("--frameworks", default=FRAMEWORKS, help="that go into the image, as far as they are here")
        runs.add_argument("--only", default="", help="these steps and what they need: 'inside,verify jax'")
        runs.add_argument("--root", type=Path, default=Path("/"), help="rehearsal: has made-up nodes and libraries")
        runs.add_argument("--host", type=Path, help="rehearsal: the host, as kgpu-env probe --json wrote it")
    return parser


def main() -> int:
    """Parse the command line and do it."""
    arguments = options().parse_args()
    match arguments.command:
        case "prepare":
            return prepare(arguments.folder, arguments.python)
        case "table":
            container_report.write(arguments.folder)
            return 0
        case "steps":
            return steps(arguments)
        case _:
            return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
