"""An image of another maker: its Python is in an environment that a shell activates, and is found there."""

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = pytest.mark.engine
SCRIPT = str(Path(sys.executable).with_name("kgpu-env"))
NAME = "kgpu-test/foreign:1"


@pytest.fixture(scope="module")
def foreign(tensorflow_image: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The CPU's environment as conda has one, off the PATH, with no label of this tool."""
    client: APIClient = request.getfixturevalue("engine")._api  # noqa: SLF001 - to build what the tool would not
    tf = "/opt/conda/envs/tf"
    hooks = f"{tf}/etc/conda/activate.d"
    lines = [
        f"FROM {tensorflow_image}",
        "USER 0",
        f"RUN mkdir -p /opt/conda/envs && mv /opt/venv {tf} && mkdir -p {tf}/conda-meta {hooks}",
        f"RUN echo 'export SEEN=yes' > {hooks}/x.sh",
        "ENV PATH=/usr/local/bin:/usr/bin:/bin VIRTUAL_ENV=",
        'LABEL io.kgpu-env.stack="" io.kgpu-env.plan=""',
        "USER 1000:1000",
    ]
    done = list(client.build(fileobj=io.BytesIO("\n".join(lines).encode()), tag=NAME, rm=True, decode=True))
    assert "errorDetail" not in done[-1], done[-1]
    yield NAME
    client.remove_image(NAME)


def kgpu_env(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([SCRIPT, *words], capture_output=True, text=True, timeout=300, check=False, cwd=folder)


def test_it_is_proved_by_its_own_python(tmp_path: Path, foreign: str) -> None:
    done = kgpu_env(tmp_path, "verify", foreign, "--vendor", "cpu", "--level", "quick")
    assert done.stdout.startswith("TRAINED ON CPU"), done.stdout + done.stderr


def test_a_command_runs_in_its_environment(tmp_path: Path, foreign: str) -> None:
    code = "import tensorflow, os; print(os.environ['SEEN'], tensorflow.__version__)"
    tmp_path.chmod(0o755)
    done = kgpu_env(tmp_path, "run", "--image", foreign, "--user", "1001", "--", "python", "-c", code)
    assert done.stdout.startswith("yes 2."), done.stdout + done.stderr


def test_a_python_may_be_named(tmp_path: Path, foreign: str) -> None:
    words = ("verify", foreign, "--vendor", "cpu", "--level", "quick", "--python")
    assert kgpu_env(tmp_path, *words, "/opt/conda/envs/tf/bin/python").stdout.startswith("TRAINED ON CPU")
    missing = kgpu_env(tmp_path, *words, "/no/python")
    assert missing.stdout.startswith("NOT PROVED"), missing.stdout
    assert "KGE-592" in kgpu_env(tmp_path, *words, "python3").stderr
