"""The exported quadlets in the hands of Podman's generator, the one of Debian's unstable suite."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.engine
EXPORTS = Path(__file__).parents[2] / "data" / "exports"


@pytest.fixture(scope="session")
def generator(unstable: Callable[..., Path]) -> str:
    """It reads files and starts nothing; Debian 12's Podman 4.3 has none yet."""
    return str(unstable("podman") / "usr/libexec/podman/quadlet")


@pytest.mark.parametrize("name", ["nvidia-cdi", "nvidia-runtime", "nvidia-mig", "amd", "amd-podman", "cpu"])
def test_podmans_generator_takes_it(generator: str, tmp_path: Path, name: str) -> None:
    shutil.copytree(EXPORTS / name / "quadlet", tmp_path, dirs_exist_ok=True)
    environment = {**os.environ, "QUADLET_UNIT_DIRS": str(tmp_path)}
    command = [generator, "-dryrun"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, "---keras.service---" in ran.stdout) == (0, True), ran.stderr
    started = next(line for line in ran.stdout.splitlines() if line.startswith("ExecStart=")).replace(r"\x20", " ")
    for line in (tmp_path / "keras.container").read_text().splitlines():
        key, _, value = line.partition("=")
        if key in {"AddDevice", "PodmanArgs", "Image", "HealthCmd"}:
            assert value in started, line
