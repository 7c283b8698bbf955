"""Renews what is locked: ./run relock [tests] [images] [reference]; where nothing is named, the first two.

tests: what the package, its build and its tests are installed from, for every Python by hash (tests/locks).
images: what the tests' images are built from, by kgpu-env lock (tests/engine/locks).
reference: the same for the two Dockerfiles at the top, which ship (images/locks).
All need a package index. Run tests/regenerate.py afterwards and read the difference.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from msgspec.structs import replace

from provision.lock import Lock, Wheel, files_of, read_lock

PROGRAM = Path(sys.executable).with_name("kgpu-env")
ROOT = Path(__file__).parents[1]
OLDEST = "3.10"
# A lock for each group of pyproject.toml, with what the package itself needs; the first holds the others' versions.
GROUPS = {"test": ["pyproject.toml"], "dev": ["pyproject.toml"], "use": ["pyproject.toml"], "torch": []}
# The images that the engine's tests start. Python 3.11 is that of the base which the tests make.
IMAGES = {
    "tensorflow": ("--vendor", "cpu"),
    "jupyter": ("--vendor", "cpu", "--package", "jupyterlab"),
    "jax": ("--vendor", "cpu", "--backend", "jax", "--python", "3.11"),
}


def lock_tests() -> None:
    """Write tests/locks: the newest of everything that fits together, and no address of an index."""
    command = [sys.executable, "-m", "uv", "--no-config", "pip", "compile", "--quiet"]
    fixed = ["--universal", "--python-version", OLDEST, "--generate-hashes", "--no-annotate"]
    told = ["--custom-compile-command", "./run relock tests"]
    for group, package in GROUPS.items():
        same = [] if group == "test" else ["--constraints", "tests/locks/test.txt"]
        words = [*package, "--group", group, "--upgrade", *same, "--output-file", f"tests/locks/{group}.txt"]
        subprocess.run([*command, *fixed, *told, *words], cwd=ROOT, check=True)


def lock_images() -> None:
    """Write the locks of the images that the engine's tests start."""
    from regenerate import IMAGE_LOCKS  # type: ignore[import-not-found] # noqa: PLC0415 - beside this file; reads locks

    for name, words in IMAGES.items():
        _lock(IMAGE_LOCKS / f"{name}.lock", *words)


def lock_reference() -> None:
    """Write the locks of Dockerfile.cuda and Dockerfile.rocm."""
    from regenerate import DATA, LOCKS, REFERENCE  # noqa: PLC0415 - as above

    for vendor, host in REFERENCE.items():
        _lock(LOCKS / f"{vendor}.lock", "--vendor", vendor, "--host", str(DATA / "hosts" / f"{host}.json"))


def _lock(path: Path, *words: str) -> None:
    path.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([PROGRAM, "lock", *words], cwd=folder, check=True)
        found = read_lock(Path(folder) / "kgpu.lock")
    for file, content in files_of(without_addresses(found), path).items():
        file.write_bytes(content)


def without_addresses(lock: Lock) -> Lock:
    """Return a lock that names no index: a build finds each file by name and hash on the one that it is set to."""

    def plain(wheels: tuple[Wheel, ...]) -> tuple[Wheel, ...]:
        return tuple(replace(one, files=tuple(replace(file, url=None) for file in one.files)) for one in wheels)

    return replace(lock, wheels=plain(lock.wheels), tools=plain(lock.tools))


if __name__ == "__main__":
    kinds = {"tests": lock_tests, "images": lock_images, "reference": lock_reference}
    for word in sys.argv[1:] or ("tests", "images"):
        kinds[word]()
