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
HOST = Path(__file__).parents[1] / "data" / "hosts" / "h100-580.json"  # made up after NVIDIA's driver tables
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

# What users begin with; without a GPU it trains on the CPU.
TRAINS = """
import numpy, tensorflow as tf
model = tf.keras.Sequential([tf.keras.layers.Dense(128, activation="relu"), tf.keras.layers.Dense(10, "softmax")])
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
x = numpy.random.default_rng(0).normal(size=(512, 784)).astype("float32")
loss = model.fit(x, x[:, :10].argmax(1), epochs=3, verbose=0).history["loss"]
print(tf.sysconfig.get_build_info()["is_cuda_build"], loss[-1] < loss[0])
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


@pytest.fixture(scope="module")
def for_one_gpu(
    engine: DockerEngine, kgpu_env_in: Callable[[Path], KgpuEnv], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    name, run = "kgpu-test/contents-one:1", kgpu_env_in(tmp_path_factory.mktemp("one"))
    ended = run("build", "--vendor", "cuda", "--host", HOST, "--contents", "one-gpu", "--tag", name, timeout=900)
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


def test_an_image_for_one_gpu_starts_and_trains_without_nccl(
    engine: DockerEngine, for_one_gpu: str, kgpu_env: KgpuEnv
) -> None:
    """What runs on a GPU without it was not seen: TensorFlow opens it when several GPUs are to work together."""
    assert python(engine, for_one_gpu, f"import glob; print(glob.glob('{SITE}/nvidia/nccl/lib/*.so*'))") == ["[]"]
    *problems, count = python(engine, for_one_gpu, CLOSURE)
    assert problems == []
    assert int(count) >= 20
    assert python(engine, for_one_gpu, TRAINS) == ["True True"]
    ended = kgpu_env("verify", for_one_gpu, "--vendor", "cpu", timeout=300)
    assert (ended.returncode, "TRAINED ON CPU" in ended.stdout) == (0, True), ended.stderr
