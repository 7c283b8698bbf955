"""Sessions that are not part of ./run test: other Pythons, other versions, and measuring, which fetches gigabytes."""

import os
from pathlib import Path

import nox

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
GROUP = nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), "dev")

nox.options.sessions = ["unit"]
nox.options.default_venv_backend = "virtualenv"
nox.options.error_on_missing_interpreters = False  # those that are not here are named, in CI too
# pyenv's own commands on PATH start only the Pythons that are switched on.
os.environ["PATH"] = os.pathsep.join([*map(str, Path.home().glob(".pyenv/versions/3.1?.*/bin")), os.environ["PATH"]])

WHEELS = (
    "tensorflow==2.10.1",
    "tensorflow==2.11.1",
    "tensorflow==2.12.1",
    "tensorflow==2.13.1",
    "tensorflow==2.14.1",
    "tensorflow==2.15.1",
    "tensorflow==2.16.2",
    "tensorflow==2.17.1",
    "tensorflow==2.18.1",
    "tensorflow==2.19.1",
    "tensorflow==2.20.0",
    "tensorflow==2.21.0",
    "tensorflow-rocm==2.14.0.600",
)


def _test(session: nox.Session) -> None:
    session.run("python", "-m", "pip", "list")
    session.run("pytest", "tests/unit", "-n", "auto", *session.posargs)


@nox.session(python=PYTHONS)
def unit(session: nox.Session) -> None:
    """Run the unit tests with what is locked, on each Python that this machine has."""
    session.install("--require-hashes", "-r", "tests/locks/dev.txt")
    session.install("--no-deps", "--no-build-isolation", "-e", ".")
    _test(session)


@nox.session
def newest(session: nox.Session) -> None:
    """Run the unit tests with the newest that pip gives: drift is seen here before users see it."""
    session.install("--upgrade", "--upgrade-strategy=eager", "-e", ".", *GROUP)
    _test(session)


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """Run the unit tests with the lowest that pyproject.toml allows, on the oldest Python."""
    session.install("uv")
    lock = str(Path(session.create_tmp()) / "lowest.txt")
    words = ["--group", "dev", "--resolution", "lowest-direct", "--quiet", "--output-file", lock]
    session.run("uv", "pip", "compile", "pyproject.toml", *words)
    session.install("-r", lock)
    session.install("--no-deps", "--no-build-isolation", "-e", ".")
    _test(session)


@nox.session
def measure(session: nox.Session) -> None:
    """Open TensorFlow's wheels and record what they contain; name wheels after -- to measure only those."""
    session.install("pyelftools", "pyyaml", "zstandard")
    session.run("python", "tests/audit/measure.py", *(session.posargs or WHEELS))


@nox.session
def measure_keras(session: nox.Session) -> None:
    """Open the wheels of JAX and torch that the catalogue says were measured, or those named after --."""
    session.install("pyelftools", "pyyaml", "zstandard")
    session.run("python", "tests/audit/measure_keras.py", *session.posargs)


@nox.session
def peers(session: nox.Session) -> None:
    """Restate the tables of uv and cog, the newest or those named after --; the audit tells what is new in them."""
    session.install("-e", ".")
    session.run("python", "tests/audit/peers.py", *session.posargs)
    session.log("now run: python -m pytest tests/audit")
