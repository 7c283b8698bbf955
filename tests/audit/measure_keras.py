"""Opens the wheels of JAX and torch and records their GPU code; test_keras.py compares `images/keras.yaml` with it.

nox -s measure_keras -- jax-cuda13-pjrt==0.12.0.1 torch==2.10.0

Without names, all wheels of rows that say `measured`. Each is fetched by pip (up to 900 MB) and removed again. JAX's
code lies in its plugin and PJRT packages.
"""

import mmap
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import yaml
from measure import amd_code, nvidia_code, relocatable  # type: ignore[import-not-found] # the script beside this one

HERE = Path(__file__).parent
ROWS = HERE.parents[1] / "images" / "keras.yaml"
OUTPUT = HERE / "measured_keras.yaml"
HEADER = "# Written by tests/audit/measure_keras.py: GPU code in wheels for x86_64. Not edited by hand.\n"
PARTS = ("jax-cuda", "jax_rocm", "torch==")
# An interpreter that the newest and the oldest releases have wheels for.
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64", "manylinux1_x86_64")
SMALLEST = 100_000  # bytes of a library that may hold GPU code


def wheels() -> list[str]:
    """Return the requirements of the rows that are said to be measured, those with GPU code."""
    rows = yaml.safe_load(ROWS.read_text())["keras_cuda"]
    found = [one for row in rows if row.get("measured") for one in row["packages"] if one.startswith(PARTS)]
    return sorted(set(found))


def measure(wheel: Path) -> dict[str, Any]:
    """Return the size of a wheel, and the GPU code of each library in it."""
    libraries: dict[str, Any] = {}
    with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory() as folder:
        for info in archive.infolist():
            if ".so" not in info.filename or info.file_size < SMALLEST:
                continue
            place = Path(archive.extract(info, folder))
            with place.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as library:
                code = nvidia_code(library, relocatable(file)) | amd_code(library)
            place.unlink()
            if code:
                libraries[place.name] = code
    return {"wheel": wheel.name, "size_bytes": wheel.stat().st_size, "libraries": dict(sorted(libraries.items()))}


def fetch(requirement: str, folder: str) -> Path:
    """Return a wheel for x86_64, for Python 3.12 or, where there is none, 3.11."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir", "--dest", folder]
    command += ["--only-binary", ":all:", *(word for one in PLATFORMS for word in ("--platform", one))]
    newer = subprocess.run([*command, "--python-version", "3.12", requirement], check=False)
    if newer.returncode:
        subprocess.run([*command, "--python-version", "3.11", requirement], check=True)
    return next(Path(folder).glob("*.whl"))


def main() -> None:
    """Measure the wheels named on the command line, or all of them, and add them to the file."""
    known = yaml.safe_load(OUTPUT.read_text()) if OUTPUT.exists() else {}
    for requirement in sys.argv[1:] or wheels():
        with tempfile.TemporaryDirectory() as folder:
            known[requirement] = measure(fetch(requirement, folder))
        OUTPUT.write_text(HEADER + yaml.safe_dump(dict(sorted(known.items())), width=110))


if __name__ == "__main__":
    main()
