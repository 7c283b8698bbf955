"""All that needs a GPU, in one command and without an engine: the proof of this environment on each backend it has.

    python3 tests/gpu/run.py fetch DIR        on a machine with a package index: the wheels that travel
    python3 tests/gpu/run.py run --wheels DIR [--out DIR] [--level standard]     on the machine with the GPU

The second needs Python 3.11 or newer with JAX, torch or TensorFlow in it, and no network. Nothing is installed into
that Python: Keras and this tool's own dependencies are unpacked into a temporary folder.

For each backend that can be imported: the environment must be proved, and must not be proved with its GPUs hidden.
Reports go to the output folder, docs/hardware by default. Exit 0: all of that was so. Standard library only.
"""

import argparse
import datetime as dt
import json
import os
import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MAIN = "from provision.cli import main; main()"
BACKENDS = ("torch", "jax", "tensorflow")
# What belongs to the machine's Python and is not to be shadowed by a wheel: it must fit the GPU's libraries.
NATIVE = ("numpy", "ml_dtypes", "jax", "jaxlib", "torch", "tensorflow", "nvidia", "triton", "scipy")
HIDE = {"CUDA_VISIBLE_DEVICES": "-1", "HIP_VISIBLE_DEVICES": "-1", "ROCR_VISIBLE_DEVICES": "-1"}
NOT_PROVED = 7


def say(text: str) -> None:
    """Talk, on stderr."""
    sys.stderr.write(f"{text}\n")


def fetch(folder: Path) -> int:
    """Download Keras and this project's dependencies as wheels."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "-q", "--only-binary", ":all:", "-d", str(folder)]
    project = re.search(r"^dependencies = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL | re.MULTILINE)
    assert project is not None
    needs = re.findall(r'^\s*"([^"]+)"', project[1], re.MULTILINE)
    done = subprocess.run([*command, "keras", *needs], check=False).returncode
    for wheel in folder.glob("*.whl"):
        if wheel.name.split("-")[0].lower().startswith(NATIVE):
            wheel.unlink()
    return done


def unpack(wheels: Path, target: Path) -> None:
    """Install the wheels into a folder, without a network and without their dependencies."""
    names = sorted(map(str, wheels.glob("*.whl")))
    if not names:
        raise SystemExit(f"{wheels} has no wheels: run.py fetch {wheels}")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--target", str(target), *names]
    subprocess.run(command, check=True)


def verify(backend: str, arguments: argparse.Namespace, environment: dict[str, str], files: Path | None) -> Any:  # noqa: ANN401 - a proof's JSON
    """Return the exit code and the proof of this environment on a backend."""
    command = [sys.executable, "-c", MAIN, "verify", "--here", "--python", sys.executable, "--json"]
    command += ["--backend", backend, "--vendor", arguments.vendor, "--timeout", str(arguments.timeout)]
    command += ["--level", arguments.level if files else "quick"]
    if files and arguments.level == "soak":
        command += ["--minutes", str(arguments.minutes)]
    if files:
        command += ["--report", f"{files}.json", "--html", f"{files}.html"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    try:
        return done.returncode, json.loads(done.stdout)
    except json.JSONDecodeError:
        return done.returncode, {"verdict": "none", "reason": done.stdout[-300:] or "no output", "checks": []}


def gpu_name() -> str:
    """Return the first GPU's name and driver, as nvidia-smi tells them."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        lines = subprocess.run(query, capture_output=True, text=True, check=False, timeout=30).stdout.splitlines()
    except (OSError, subprocess.TimeoutExpired):
        lines = []
    return lines[0] if lines else "unknown GPU"


def note(backend: str, proof: dict[str, Any], hidden: dict[str, Any], arguments: argparse.Namespace) -> str:
    """Return the report of one backend as Markdown."""
    checks = [f"| {one['name']} | {one['status']} | {one['detail']} |" for one in proof["checks"]]
    rows = [
        f"| {one['name']} | {one['device']} | {one['state']} | {one['detail']} |" for one in proof.get("libraries", ())
    ]
    command = f"python3 tests/gpu/run.py run {' '.join(sys.argv[2:])}".rstrip()
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    head = [
        f"# {gpu_name()}, {backend}: {proof['verdict']}",
        "",
        f"{now}, level {arguments.level}, `{command}`",
        "",
        f"{proof['reason']}. With the GPUs hidden: {hidden['verdict']}, {hidden['reason']}.",
        "",
        f"Versions: {', '.join(f'{name} {version}' for name, version in proof.get('versions', {}).items())}",
        "",
    ]
    table = ["| check | status | detail |", "|---|---|---|", *checks, ""]
    more = ["| library | device | state | detail |", "|---|---|---|---|", *rows, ""] if rows else []
    return "\n".join([*head, *table, *more])


def good(vendor: str, code: int, proof: dict[str, Any], hidden_code: int, hidden: dict[str, Any]) -> bool:
    """Tell whether both runs ended as they must; a CPU has nothing to hide."""
    if vendor == "cpu":
        return (code, proof["verdict"]) == (0, "cpu")
    return (code, proof["verdict"], hidden_code, hidden["verdict"]) == (0, "proved", NOT_PROVED, "not-proved")


def run(arguments: argparse.Namespace) -> int:
    """Prove each backend, write the reports, and return the exit code."""
    present = [name for name in arguments.backends.split(",") if find_spec(name)]
    if not present:
        say(f"none of {arguments.backends} is installed for {sys.executable}")
        return 2
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as target:
        if arguments.wheels:
            unpack(arguments.wheels, Path(target))
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{target}", "XDG_STATE_HOME": target}
        results = [prove(backend, arguments, environment) for backend in present]
    missing = sorted(set(arguments.backends.split(",")) - set(present))
    if missing:
        say(f"not installed, so not seen: {', '.join(missing)}")
    return 0 if all(results) else 1


def prove(backend: str, arguments: argparse.Namespace, environment: dict[str, str]) -> bool:
    """Prove one backend with and without its GPUs, and write its report."""
    slug = re.sub(r"[^a-z0-9]+", "-", gpu_name().split(",")[0].lower()).strip("-")
    files = arguments.out / f"{dt.datetime.now(dt.UTC):%Y-%m-%d}-{slug}-{backend}"
    code, proof = verify(backend, arguments, environment, files)
    hidden_code, hidden = verify(backend, arguments, {**environment, **HIDE}, None)
    Path(f"{files}.md").write_text(note(backend, proof, hidden, arguments))
    right = good(arguments.vendor, code, proof, hidden_code, hidden)
    say(f"{backend}: {proof['verdict']} (exit {code}), hidden: {hidden['verdict']} (exit {hidden_code})")
    say(f"  {'as it must be' if right else 'NOT as it must be'}: {files}.md")
    return right


def main() -> int:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("fetch").add_argument("folder", type=Path)
    runs = commands.add_parser("run")
    runs.add_argument("--wheels", type=Path)
    runs.add_argument("--out", type=Path, default=ROOT / "docs" / "hardware")
    runs.add_argument("--backends", default=",".join(BACKENDS))
    runs.add_argument("--vendor", default="cuda", choices=("cuda", "rocm", "cpu"))
    runs.add_argument("--level", default="standard", choices=("quick", "standard", "soak"))
    runs.add_argument("--minutes", type=float, default=1.0)
    runs.add_argument("--timeout", type=float, default=250.0)
    arguments = parser.parse_args()
    return fetch(arguments.folder) if arguments.command == "fetch" else run(arguments)


if __name__ == "__main__":
    sys.exit(main())
