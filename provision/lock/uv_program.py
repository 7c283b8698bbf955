"""uv for the build, fetched on this host: so no stage of the build and no pip has to bring it."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from provision.errors import BuildError, InputError
from provision.files import is_others
from provision.lock.uv import find_uv, network_environment
from provision.model import Pin
from provision.model.pins import requirement
from provision.resources import cache_folder

SECONDS = 120.0
# The oldest C library that uv's wheels ask for; what they contain needs no Python.
_PLATFORMS = {"x86_64": "x86_64-manylinux_2_17", "aarch64": "aarch64-manylinux_2_28"}
_PYTHON = "3.12"
Run = Callable[[Sequence[str], Mapping[str, str]], "subprocess.CompletedProcess[str]"]


def provide_uv(  # noqa: PLR0913 - what is fetched, for whom, where it is kept, and how it is reached
    version: str,
    pins: Sequence[Pin],
    architecture: str,
    *,
    cache: Path | None,
    files: Mapping[str, bytes],
    log: Callable[[str], None],
    on_fetch: Callable[[], None] = lambda: None,
    run: Run | None = None,
) -> Path | None:
    """Return the program, or None where the Dockerfile has to fetch it itself: no uv here, or no index answers.

    Args:
        version: the one to fetch where no pin names it.
        pins: uv's own, whose hash is held against what is fetched.
        architecture: the engine's.
        cache: a folder in which it is kept; it need not exist. None: this user's.
        files: the network settings of the build.
        log: gets a line of text about why it is not fetched here.
        on_fetch: is called before an index is asked.
        run: how uv is started; a test gives its own.

    Raises:
        BuildError: KGE-401, the index has another file than the one that was pinned.
    """
    platform = _PLATFORMS.get(architecture)
    if platform is None:
        return None
    wanted = next((pin for pin in pins if pin.name == "uv"), None)
    line = requirement(wanted) if wanted else f"uv=={version}"
    mark = wanted.hashes[0].removeprefix("sha256:")[:16] if wanted else "newest"
    place = (cache or cache_folder(os.environ)) / "tools" / f"uv-{version}-{platform}-{mark}"
    program = place / "bin" / "uv"
    try:
        if not program.exists():
            on_fetch()
            _fetch(line, place, platform, files, run or _run)
        if not is_others(program):
            return program
        why = f"{program} belongs to another user, or others may change it"
    except InputError as error:
        why = error.text
    except OSError as error:  # a cache that cannot be written only saves no time
        why = f"{error.filename}: {error.strerror}"
    log(f"uv is fetched in the build: {why}")
    return None


def _fetch(line: str, place: Path, platform: str, files: Mapping[str, bytes], run: Run) -> None:
    """Unpack uv's wheel to `place`, whole or not at all."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as name:
        folder = Path(name)
        (folder / "list").write_text(line + "\n", encoding="utf-8")
        ca = folder / "ca.crt"
        if "network/ca.crt" in files:
            ca.write_bytes(files["network/ca.crt"])
        environment = network_environment(files, os.environ, str(ca) if ca.exists() else None, folder)
        command = [find_uv(shutil.which), "pip", "install", "--quiet", "--no-deps", "--target", str(folder / "uv")]
        command += ["--python", sys.executable, "--python-platform", platform, "--python-version", _PYTHON]
        command += ["--only-binary", ":all:", *(["--require-hashes"] if "--hash" in line else [])]
        done = run([*command, "--requirement", str(folder / "list")], environment)
        if done.returncode:
            raise _refused(line, done.stderr)
        if not place.exists():
            (folder / "uv").rename(place)


def _refused(line: str, problem: str) -> Exception:
    lines = tuple(problem.strip().splitlines())
    if "hash mismatch" in problem.lower():
        what = f"{line.split(maxsplit=1)[0]} is another file than the one that was locked"
        fix = "if the index is to be trusted, lock anew with kgpu-env lock"
        error = BuildError("KGE-401", what, cause=lines[-1], fix=fix)
        error.log = lines
        return error
    return InputError("KGE-626", lines[-1] if lines else "uv says nothing")


def _run(command: Sequence[str], environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(  # noqa: S603 - uv, with arguments of our own
            command, env=dict(environment), capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))
