"""What must not be proved on a machine with a GPU that works: each takes the GPU from the training in another way."""

import contextlib
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import NamedTuple

HIDE = {"CUDA_VISIBLE_DEVICES": "-1", "HIP_VISIBLE_DEVICES": "-1", "ROCR_VISIBLE_DEVICES": "-1"}
NOBODY = "GPU-00000000-0000-0000-0000-000000000000"
TAKER = Path(__file__).with_name("gpu_taker.py")
# By these a framework trains on the CPU although it lists the GPU. TensorFlow has no such variable.
ON_CPU = {"torch": {"KERAS_TORCH_DEVICE": "cpu"}, "jax": {"JAX_PLATFORMS": "cpu,{}"}}


class Sabotage(NamedTuple):
    """A run that must end not proved, for a reason of its own: one that ran out of time shows nothing."""

    name: str
    what: str
    codes: tuple[str, ...]
    environment: dict[str, str] = {}  # noqa: RUF012 - nobody changes it
    words: tuple[str, ...] = ()
    taken: bool = False  # another process holds the GPU's memory
    refused: bool = False  # before anything runs


def sabotages(vendor: str, backend: str, environment: Mapping[str, str]) -> list[Sabotage]:
    """Return all that can be done to a backend in an environment."""
    found = [
        Sabotage("hidden", "the GPUs are hidden by CUDA_VISIBLE_DEVICES=-1 and its like", ("KGE-507", "KGE-528"), HIDE),
        Sabotage(
            "another GPU",
            "a GPU is asked for that this machine does not have",
            ("KGE-306",),
            words=("--gpus", NOBODY),
            refused=True,
        ),
        Sabotage(
            "memory taken", "another process holds all but a few MiB of the GPU's memory", ("KGE-534",), taken=True
        ),
    ]
    if backend in ON_CPU:
        variables = {name: value.format(vendor) for name, value in ON_CPU[backend].items()}
        words = " ".join(f"{name}={value}" for name, value in variables.items())
        what = f"{words}: the GPU is listed, and models train on the CPU"
        found.append(Sabotage("default on the CPU", what, ("KGE-508",), variables))
    path = environment.get("LD_LIBRARY_PATH", "").split(":")
    rest = [folder for folder in path if not re.search(r"/nvidia/\w+/lib$", folder)]
    if len(rest) < len(path):
        what = "LD_LIBRARY_PATH without the folders of NVIDIA's wheels"
        found.append(Sabotage("libraries off the path", what, ("KGE-527",), {"LD_LIBRARY_PATH": ":".join(rest)}))
    return found


@contextlib.contextmanager
def memory_taken() -> Iterator[str]:
    """Hold the memory of NVIDIA's GPUs by another process meanwhile; yield what it said, empty where it could not."""
    with Popen([sys.executable, str(TAKER)], stdin=PIPE, stdout=PIPE, stderr=DEVNULL, text=True) as taker:
        assert taker.stdin is not None
        assert taker.stdout is not None
        try:
            yield taker.stdout.readline().strip()
        finally:
            taker.stdin.close()  # it ends with its input, and its memory with it
