"""A user's own project comes in by one command: ten project files in the forms that real ones have, each to an image.

Packages are those that public examples choose. What is asked of each image is to import them, and that the framework is
there once.
"""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytestmark = [pytest.mark.timeout(1800), pytest.mark.usefixtures("engine")]

SIX = (
    "six==1.16.0 \\\n"
    "    --hash=sha256:8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254 \\\n"
    "    --hash=sha256:1e61c37477a1626458e36f7b1d82aa5c9b094fa4802892072e49de9c84c4c926\n"
)
PACKAGE = {"src/demo/__init__.py": "def answer():\n    return 42\n"}
BACKEND = '[build-system]\nrequires = ["setuptools>=68"]\nbuild-backend = "setuptools.build_meta"\n'
PROJECT = f"""{BACKEND}
[project]
name = "demo"
version = "1.2"
requires-python = ">=3.10"
dependencies = ["numpy<2", "tensorflow[and-cuda]>=2.15"]
[project.optional-dependencies]
train = ["pandas>=2"]
[dependency-groups]
dev = ["tabulate"]
"""


SETUP = "from setuptools import setup\nsetup(name='old', version='3', install_requires=['six'], py_modules=['old'])\n"


class Project(NamedTuple):
    """A folder, what is asked for, and what must hold inside."""

    files: dict[str, str]
    words: tuple[str, ...]
    check: str  # Python


PROJECTS = {
    "requirements": Project(
        {
            "requirements.txt": "# needs\n-r base.txt   # shared\n-c constraints.txt\n"
            "tabulate ; python_version >= '3.8'\n",
            "base.txt": SIX,
            "constraints.txt": "tabulate<0.9.1\n",
        },
        ("-r", "requirements.txt"),
        "import six, tabulate; assert six.__version__ == '1.16.0'; assert tabulate.__version__ < '0.9.1'",
    ),
    "code": Project(
        {
            **PACKAGE,
            "pyproject.toml": PROJECT,
            "requirements.txt": "-e .[train]\n",
            ".gitignore": "data/\n",
            "data/x": "x",
        },
        ("-r", "requirements.txt"),
        "import demo, pandas, numpy; assert demo.answer() == 42; assert numpy.__version__ < '2'",
    ),
    "pyproject": Project(
        {"pyproject.toml": PROJECT},
        ("-r", "pyproject.toml[train,dev]"),
        "import pandas, tabulate, numpy; assert numpy.__version__ < '2'",
    ),
    "setup.py": Project(
        {
            "setup.py": SETUP,
            "old.py": "X = 1\n",
        },
        ("-r", "."),
        "import old, six; assert old.X == 1",
    ),
    "older TensorFlow": Project(
        {"requirements.txt": "keras==2.15.0\ntensorflow==2.15.0\nnumpy==1.26.4\nh5py==3.10.0\n"},
        ("-r", "requirements.txt"),
        "import keras, tensorflow as tf; assert keras.__version__ == '2.15.0'; assert tf.__version__ == '2.15.1'",
    ),
    "media": Project(
        {"requirements.txt": "numpy<2\nopencv-python-headless\nmediapipe==0.10.21\n"},
        ("-r", "requirements.txt"),
        "import importlib.metadata as m; assert m.version('mediapipe') == '0.10.21' and m.version('numpy') < '2'; "
        "assert sum('opencv' in d.metadata['Name'] for d in m.distributions()) == 1",
    ),
    "source archive": Project(
        {"requirements.txt": "keras-cv\n"},
        ("-r", "requirements.txt"),
        "import importlib.metadata as m; assert m.version('keras-cv') >= '0.9'; import promise",
    ),
    "tf_keras": Project(
        {"requirements.txt": "tf_keras\ntensorflow-hub\nsetuptools<81  # tensorflow-hub imports pkg_resources\n"},
        ("-r", "requirements.txt"),
        "import tf_keras, tensorflow_hub",
    ),
    "frozen": Project(
        {},  # pylock.toml is made below, by uv
        ("-r", "pylock.toml"),
        "import tabulate, six",
    ),
    "project file": Project(
        {
            "kgpu-env.yaml": "vendor: cpu\nrequirements: [needs/requirements.txt]\n",
            "needs/requirements.txt": "name-that-marker-drops ; sys_platform == 'win32'\ntabulate @ WHEEL\n",
        },
        (),
        "import tabulate; assert tabulate.__version__ == '0.9.0'",
    ),
}
ONCE = (
    "import importlib.metadata as m; "
    "assert [d.metadata['Name'].replace('_', '-') for d in m.distributions() if d.read_text('RECORD') and "
    "'\\ntensorflow/__init__.py,' in '\\n' + d.read_text('RECORD')] == ['tensorflow-cpu'], 'not one TensorFlow'; "
)
QUICK = ("requirements",)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in PROJECTS]
)
def test_a_project_comes_in_by_one_command(kgpu_env: Callable[..., Any], tag: str, tmp_path: Path, name: str) -> None:
    project = PROJECTS[name]
    for path, text in project.files.items():
        file = kgpu_env.folder / path  # type: ignore[attr-defined] # the fixture's KgpuEnv
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("WHEEL", _address(tmp_path)) if "WHEEL" in text else text)
    if name == "frozen":
        _lock(kgpu_env.folder)  # type: ignore[attr-defined] # as above
    ended = kgpu_env("build", "--vendor", "cpu", *project.words, "--tag", tag, timeout=1800)
    assert ended.returncode == 0, ended.stderr
    seen = subprocess.run(
        ["docker", "run", "--rm", "--network", "none", tag, "python", "-c", f"{ONCE}{project.check}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert seen.returncode == 0, seen.stderr[-2000:]


def _address(folder: Path) -> str:
    """Return where the index has a wheel."""
    _compile(folder, "tabulate==0.9.0")
    return str(re.findall(r'url = "([^"]+\.whl)"', (folder / "pylock.toml").read_text())[0])


def _lock(folder: Path) -> None:
    _compile(folder, "tabulate\nsix")


def _compile(folder: Path, needs: str) -> None:
    (folder / "in").write_text(f"{needs}\n")
    words = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "compile",
        "--quiet",
        "--format",
        "pylock.toml",
        "in",
        "-o",
        "pylock.toml",
    ]
    subprocess.run(words, cwd=folder, check=True)
