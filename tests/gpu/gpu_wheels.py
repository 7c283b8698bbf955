"""The wheels that travel to a machine without a network: Keras and this project's own dependencies."""

import platform
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("3.11", "3.12", "3.13")  # of the Pythons that frameworks with CUDA 13 come for
# pip takes a platform by its exact name, and wheels are named after the glibc that they need.
GLIBC = ("2_34", "2_31", "2_28", "2_27", "2_26", "2_24", "2_17")
# What belongs to the machine's Python and is not to be hidden by a wheel: it must fit the GPU's libraries.
NATIVE = ("numpy", "ml_dtypes", "jax", "torch", "tensorflow", "nvidia", "triton", "scipy")
RESOLVER = "uv"  # asks an index, which no such machine has, and is as large as all the others


def fetch(folder: Path, versions: tuple[str, ...] = VERSIONS) -> int:
    """Download the wheels into a folder for each version of Python; return 0 when all could be had."""
    project = re.search(r"^dependencies = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL | re.MULTILINE)
    assert project is not None
    needs = ["keras", *re.findall(r'^\s*"([^"]+)"', project[1], re.MULTILINE)]
    needs = [need for need in needs if not re.match(rf"{RESOLVER}\b", need)]
    return max(_download(folder / version, version, needs) for version in versions)


def _download(folder: Path, version: str, needs: list[str]) -> int:
    shutil.rmtree(folder, ignore_errors=True)  # an older version beside a newer one would be unpacked over it
    folder.mkdir(parents=True)
    machine = platform.machine()
    names = [f"manylinux_{glibc}_{machine}" for glibc in GLIBC] + [f"manylinux2014_{machine}"]
    platforms = [word for name in names for word in ("--platform", name)]
    options = ["--only-binary", ":all:", "--python-version", version, *platforms, "-d", str(folder)]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "-qq", *options, *needs]
    done = subprocess.run(command, check=False).returncode
    for wheel in folder.glob("*.whl"):
        if wheel.name.split("-")[0].lower().startswith(NATIVE):
            wheel.unlink()
    return done


def unpack(wheels: Path, target: Path) -> None:
    """Put the wheels for this Python where it can import them. Nothing is needed for that, pip neither.

    Raises:
        SystemExit: there are none for this Python.
    """
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    found = sorted((wheels / version).glob("*.whl"))
    if not found:
        raise SystemExit(f"{wheels} has no wheels for Python {version}: run.py fetch {wheels} --python {version}")
    for path in found:
        with zipfile.ZipFile(path) as wheel:
            wheel.extractall(target)
    # What a wheel has beside its packages is scripts and headers, except for these.
    for inner in [*target.glob("*.data/purelib"), *target.glob("*.data/platlib")]:
        shutil.copytree(inner, target, dirs_exist_ok=True)
