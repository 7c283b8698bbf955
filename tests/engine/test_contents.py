"""What `--contents runtime` leaves out is needed by nothing that stays: asked of the CUDA image, without a GPU."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from provision.catalogue import load
from provision.catalogue.contents import Cut
from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import Run
from provision.lock import pylock_path

KgpuEnv = Any  # the class of conftest.py
pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(900)]
LOCK = Path(__file__).parents[2] / "images" / "locks" / "cuda.lock"
SITE = "/opt/venv/lib/python3.11/site-packages"
# Loads every GPU library that is there, with all that it is linked with. libcuda is the host's, and none is linked.
CLOSURE = f"""
import ctypes, glob, sys
libraries = sorted(glob.glob("{SITE}/nvidia/*/lib/*.so*"))
for path in libraries:
    try:
        ctypes.CDLL(path)
    except OSError as error:
        print(path, error)
print(len(libraries))
"""
# Finds files of code that name another; a cut library is looked for by its name up to the version.
NAMED = f"""
import glob, mmap, os, sys
for path in glob.glob("{SITE}/**/*", recursive=True):
    if path.endswith((".py", "setup.py")) or ".so" not in path or not os.path.getsize(path):
        continue
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for word in sys.argv[1:]:
            if content.find(word.encode()) >= 0:
                print(path, word)
"""


@pytest.fixture(scope="module")
def image(
    engine: DockerEngine, kgpu_env_in: Callable[[Path], KgpuEnv], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    name, folder = "kgpu-test/contents:1", tmp_path_factory.mktemp("contents")
    (folder / "kgpu.lock").write_bytes(LOCK.read_bytes())
    (folder / "pylock.toml").write_bytes(pylock_path(LOCK).read_bytes())
    ended = kgpu_env_in(folder)("build", "--locked", "--tag", name, timeout=900)
    assert ended.returncode == 0, ended.stderr
    yield name
    engine.remove(name)


def python(engine: DockerEngine, image: str, code: str, *words: str) -> list[str]:
    ran = engine.run(Run(image=image, command=("python3", "-c", code, *words)))
    assert ran.exit_code == 0, ran.stderr
    return ran.stdout.splitlines()


def gone() -> list[Cut]:
    """The rows of files that an image for any number of GPUs does without."""
    return [row for row in load().contents.cuts if row.part == "whole" and row.contents != "runtime"]


def test_every_library_that_stays_finds_what_it_is_linked_with(engine: DockerEngine, image: str) -> None:
    *problems, count = python(engine, image, CLOSURE)
    assert problems == []
    assert int(count) > 20


def test_nothing_that_stays_names_a_library_that_went(engine: DockerEngine, image: str) -> None:
    files = [Path(file).name.partition(".so")[0] for row in gone() for file in row.files if ".so" in file]
    names = [name if name.startswith("lib") else f"{name}.so" for name in files]
    assert len(names) >= 7
    assert python(engine, image, NAMED, *names) == []


def test_the_files_are_gone(engine: DockerEngine, image: str) -> None:
    patterns = [f"{SITE}/{file}" for row in gone() for file in row.files]
    found = python(engine, image, "import glob, sys\nfor one in sys.argv[1:]: print(*glob.glob(one))", *patterns)
    assert [line for line in found if line] == []
