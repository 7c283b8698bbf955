"""New rows of the catalogue edit no test by hand: really done, in a copy of the repository, with a row of every kind.

The rows are made up and serve more than any real one, so that they change what nearly every host gets.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from provision.catalogue import load
from provision.model import version_key

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", "node_modules")
Rows = dict[str, list[dict[str, Any]]]  # by file and table
NO_ROWS = {"prove", "records", "engine", "registry", "probe", "conftest.py", "__pycache__"}  # they read none
PYTHONS = ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"]


def newer(*versions: str) -> str:
    """A version whose second number is one above all of these: 2.22.0 for 2.21.0 and 2.20.0."""
    first, second, *rest = max(versions, key=version_key).split(".")
    return ".".join([first, str(int(second) + 1), *rest])


def nvidia() -> Rows:
    every = [row.capability for row in load().nvidia.capabilities]
    packages = {"cublas": "13.9.0.1", "cuda-nvcc": "13.9.10", "cuda-runtime": "13.9.10", "cusolver": "12.9.0.1"}
    return {
        "nvidia.yaml toolkits": [{"version": "13.9.0", "driver": "620.10"}],
        "nvidia.yaml branches": [{"branch": "620", "cuda": "13.9", "driver": "620.10"}],
        "nvidia.yaml capabilities": [{"capability": "13.0", "name": "New", "toolkit": "13.9"}],
        "nvidia.yaml ptx": [{"isa": "9.9", "cuda": "13.9"}],
        "nvidia.yaml cudnn": [{"version": "9.99.0.1", "capabilities": [*every, "13.0"]}],
        "nvidia.yaml wheels": [{"cuda": "13.9.0", "suffix": "cu13", "packages": packages}],
        "nvidia_devices.yaml chips": [{"capability": "13.0", "architecture": "New", "devices": ["ffff"]}],
        "speed.yaml lanes": [{"architecture": "sm_130", "lanes": 128}],
        "published.yaml known": [
            {"name": "ghcr.io/new/image", "tag": "gpu-.*", "framework": "tensorflow", "vendor": "cuda"}
        ],
    }


def tensorflow() -> Rows:
    version = newer(*(row.version for row in load().tensorflow))
    sass = [*(row.capability for row in load().nvidia.capabilities), "13.0"]
    every = {"python": PYTHONS, "glibc": "2.17", "sass": sass, "ptx": [], "requires": ["keras>=3.12.0", "numpy"]}
    known = {"cuda": "12.5.1", "cudnn": "9.3.0.75", "nccl": "2.27.7", "newer_cudnn": ["9.10.2.21", "9.99.0.1"]}
    own = {"cuda": "13.9.0", "cudnn": "9.99.0.1", "nccl": "2.99.1"}  # CUDA wheels that were not there before
    return {
        "tensorflow.yaml releases": [
            {"version": newer(version), **every, **own},
            {"version": version, **every, **known},
        ]
    }


def amd() -> Rows:
    targets = [*(row.target for row in load().amd.targets), "gfx1299"]
    release = newer(*(row.tensorflow for row in load().amd.builds))
    build = next(row for row in load().amd.builds if row.confidence == "confirmed")
    image = f"rocm/tensorflow:rocm{build.series}-ubuntu24.04-py3.12-tf{release}"
    wheel = {"base": "ubuntu:24.04", "packages": [f"tensorflow-rocm=={release}"], "indexes": ["https://x.example/"]}
    new = {"rocm": build.series, "version": build.version, "tensorflow": release, "python": "3.12", "image": image}
    return {
        "amd.yaml drivers": [{"release": "39.10", "sysfs": ["9.1.1"], "rocm": [build.series, "99.1"]}],
        "amd.yaml targets": [{"target": "gfx1299", "kind": "radeon", "products": "RX 9999"}],
        "amd_devices.yaml amd_chips": [{"target": "gfx1299", "name": "Navi 99", "devices": ["ffff"]}],
        "amd.yaml rocm": [{"series": "99.1", "targets": targets}],
        "amd.yaml builds": [{**new, "targets": targets, "wheel": wheel}],
    }


def alternatives() -> Rows:
    gpus = [row.capability for row in load().nvidia.capabilities]
    targets = [row.target for row in load().amd.targets]
    cuda = {"cuda": "12.9.1", "cudnn": "9.10.2.21", "sass": gpus, "ptx": []}
    rocm = {"rocm": "7.14", "release": "7.14.1", "base": "ubuntu:24.04", "indexes": ["https://x.example/"]}
    found: Rows = {"keras.yaml keras_cuda": [], "keras.yaml keras_rocm": [], "keras.yaml keras_cpu": []}
    for backend in ("jax", "torch"):
        version = newer(*(row.version for row in load().keras.keras_cuda if row.backend == backend))
        wanted = [f"{backend}=={version}", "keras>=3.15.1,<3.16"]
        new = {"backend": backend, "version": version, "packages": wanted, "python": PYTHONS, "glibc": "2.17"}
        own = {**new, **cuda, "packages": [*wanted, "nvidia-cudnn-cu12==9.10.2.21"]}
        found["keras.yaml keras_cuda"].append(own)
        found["keras.yaml keras_rocm"].append({**new, **rocm, "targets": targets})
        found["keras.yaml keras_cpu"].append({**new, "machines": ["x86_64", "aarch64"]})
    return found


def others() -> Rows:
    base = {"image": "debian:forky-slim", "family": "apt", "python": "3.14", "glibc": "2.43", "suite": "forky"}
    image = "nvidia/cuda:13.9.0-cudnn-runtime-ubuntu26.04"
    cuda = {"image": image, "cuda": "13.9.0", "cudnn": "9.99.0.1", "python": "3.14", "glibc": "2.43"}
    words = "a message that is new"
    told = {"cause": "c", "fix": "f", "check": "true", "speaker": "docker"}
    message = {"match": words, "examples": [words], **told}
    return {
        "bases.yaml bases": [base, {**base, "image": "debian:older-slim", "python": "3.11", "suite": "older"}],
        "bases.yaml cuda_bases": [cuda],
        "bases.yaml requirements": [{"image_cuda": "13.9.0", "branches": [], "brands": []}],
        "errors/engine.yaml errors": [{"id": "KGE-985", "vendor": "any", **message}],
    }


def grow(folder: Path) -> None:
    """Add the rows to the files of a catalogue, in front of the others of their table."""
    for place, rows in (nvidia() | tensorflow() | amd() | alternatives() | others()).items():
        name, table = place.split()
        text = (folder / name).read_text()
        told = {"source": "PYPI", "checked": "2026-11-23"}
        lines = [json.dumps({"id": f"new-{table}-{place}", **told, **row}) for place, row in enumerate(rows)]
        grown = text.replace(f"\n{table}:\n", f"\n{table}:\n" + "".join(f"  - {line}\n" for line in lines), 1)
        assert grown != text
        (folder / name).write_text(grown)


def run(copy: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(copy), "XDG_CACHE_HOME": str(copy / ".cache")}
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.timeout(900)  # the unit tests once more: half a minute alone, more beside others
def test_regenerate_alone_makes_the_tests_green(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
    grow(copy / "images")
    written = run(copy, "tests/regenerate.py")
    assert {"wrote tests/data/kinds.txt", "wrote tests/data/matrix/rocm.csv"} <= set(written.stdout.splitlines())
    # What needs a package index is told with its command, and everything else was written.
    told = written.stderr.splitlines()
    assert told
    assert all(re.match(r"\S+\.lock has no \S+: run ", line) for line in told), written.stderr
    left = [f"tests/unit/test_derived.py::test_is_up_to_date[{line.split()[0]}]" for line in told]
    # The wheel of a new release is measured: nox -s measure writes that file.
    left.append("tests/audit/test_measured.py::test_every_release_was_measured")
    rooms = [path for path in sorted((copy / "tests" / "unit").iterdir()) if path.name not in NO_ROWS]
    tests = [*rooms, copy / "tests" / "unit" / "prove" / "test_diagnose.py", copy / "tests" / "audit"]
    words = [*map(str, tests), *(f"--deselect={one}" for one in left), "-q", "-p", "no:cacheprovider", "-n", "auto"]
    ended = run(copy, "-m", "pytest", *words)
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr
