"""A lock's pylock.toml is one of the standard: uv itself installs from it what the image has."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provision.lock import read_lock


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the lock is for Python 3.11")
def test_uv_installs_the_same_environment(kgpu_env: Callable[..., Any], tmp_path: Path) -> None:
    ended = kgpu_env("lock", "--vendor", "cpu", "--package", "tabulate", "--package", "promise")
    assert ended.returncode == 0, ended.stderr
    lock = read_lock(tmp_path / "kgpu.lock")
    subprocess.run(
        [sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, "env"], cwd=tmp_path, check=True
    )
    words = [sys.executable, "-m", "uv", "pip", "sync", "--quiet", "--python", "env/bin/python", "pylock.toml"]
    subprocess.run(words, cwd=tmp_path, check=True)
    seen = subprocess.run(
        [sys.executable, "-m", "uv", "pip", "list", "--python", "env/bin/python", "--format", "json"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    installed = {one["name"].replace("_", "-").lower(): one["version"] for one in json.loads(seen.stdout)}
    assert installed == {one.name: one.version for one in lock.wheels}


def test_what_is_locked_stays_until_it_is_upgraded(kgpu_env: Callable[..., Any], tmp_path: Path) -> None:
    first = kgpu_env("lock", "--vendor", "cpu", "--package", "tabulate==0.9.0")
    assert first.returncode == 0, first.stderr
    (tmp_path / "kgpu-env.yaml").write_text("vendor: cpu\npackages: [tabulate]\n")
    assert kgpu_env("lock").returncode == 0
    assert _tabulate(tmp_path) == "0.9.0"
    told = json.loads(kgpu_env("outdated", "--json").stdout)
    assert [one["locked"] for one in told["changes"] if one["what"] == "tabulate"] == ["0.9.0"]
    assert kgpu_env("lock", "--upgrade").returncode == 0
    assert _tabulate(tmp_path) != "0.9.0"
    assert json.loads(kgpu_env("outdated", "--json").stdout)["changes"] == []


def _tabulate(folder: Path) -> str:
    return next(one.version for one in read_lock(folder / "kgpu.lock").wheels if one.name == "tabulate")
