"""A Python environment as the subject of a record: what a proof in it depends on, apart from the host."""

import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from provision.errors import InputError
from provision.model import GPU_VENDORS, Value, decode

SECONDS: Final = 20.0  # to list the packages, which takes a tenth of a second
SHOWN: Final = 4  # changed packages that a message names
_INVENTORY: Final = Path(__file__).with_name("inventory.py")
# Settings that choose devices and libraries: the workload records the same ones, and a test compares the two lists.
VARIABLES: Final = (
    *(name for row in GPU_VENDORS.values() for name in row.settings),
    *("TF_CPP_", "TF_CUDNN_", "TF_ENABLE_", "TF_FORCE_", "TF_GPU_", "TF_MIN_GPU_", "TF_ROCM_", "TF_USE_", "TF_XLA_"),
    *("XLA_FLAGS", "LD_LIBRARY_PATH", "KERAS_BACKEND", "KERAS_TORCH_DEVICE", "JAX_PLATFORMS", "JAX_DEFAULT_DEVICE"),
)
_NODES: Final = (*(glob for row in GPU_VENDORS.values() for glob in row.node_globs), "dxg")


class Environment(Value):
    """A Python with its packages, the variables that choose devices, and the device nodes that are there.

    What it does not hold: libraries outside of Python's packages, and files that were edited after their installation.
    """

    path: str  # the interpreter, as it was named
    python: str  # its version
    packages: dict[str, str]  # "numpy 2.4.6" to a hash of its list of files
    variables: dict[str, str]
    nodes: tuple[str, ...]


class _Inventory(Value):
    python: str
    packages: dict[str, str]


def title(python: Path) -> str:
    """Return what records and reports call the environment of an interpreter."""
    return f"this environment ({python})"


def environment(python: Path, variables: Mapping[str, str], dev: Path = Path("/dev")) -> Environment:
    """Return the environment of an interpreter as it is now.

    Args:
        python: the interpreter; it is started once, without TensorFlow or any other framework.
        variables: those of this process, which the interpreter gets as well.
        dev: where the device nodes are.

    Raises:
        InputError: KGE-594, the interpreter does not tell its packages.
    """
    told = _inventory(python, variables)
    return Environment(
        path=str(python),
        python=told.python,
        packages=told.packages,
        variables={name: value for name, value in sorted(variables.items()) if name.startswith(VARIABLES)},
        nodes=tuple(sorted(str(path) for pattern in _NODES for path in dev.glob(pattern))),
    )


def _inventory(python: Path, variables: Mapping[str, str]) -> _Inventory:
    command = (str(python), "-c", _INVENTORY.read_text(encoding="utf-8"))
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and the interpreter is the one asked for
            command, env=variables, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=True
        )
        return decode(done.stdout, _Inventory)
    except (OSError, subprocess.SubprocessError, msgspec.MsgspecError) as error:
        fix = "name a Python 3.9 or newer that starts"
        raise InputError("KGE-594", f"{python} does not tell its packages.", cause=_why(error), fix=fix) from error


def _why(error: Exception) -> str:
    match error:
        case subprocess.CalledProcessError():
            said = error.stderr.decode(errors="replace").strip().splitlines()
            return said[-1] if said else f"it ended with code {error.returncode} and without a word"
        case subprocess.TimeoutExpired():
            return f"it did not end within {SECONDS:.0f} s"
        case _:
            return str(error)


def differences(then: Environment, now: Environment) -> Iterator[tuple[str, str, str]]:
    """Yield the name of each part, with what it was and what it is."""
    yield "interpreter", then.path, now.path
    yield "Python", then.python, now.python
    yield "device nodes", " ".join(then.nodes), " ".join(now.nodes)
    for name in sorted({*then.variables, *now.variables}):
        yield name, _set(then.variables.get(name)), _set(now.variables.get(name))
    both = sorted({*then.packages, *now.packages})
    changed = [item for item in both if then.packages.get(item) != now.packages.get(item)]
    yield "packages", _few(item for item in changed if item in then.packages), _few(_come(changed, then, now))


def _come(changed: Iterable[str], then: Environment, now: Environment) -> Iterator[str]:
    for item in changed:
        if item in now.packages:
            yield f"{item} with other files" if item in then.packages else item


def _set(value: str | None) -> str:
    return "not set" if value is None else value or "empty"


def _few(items: Iterable[str]) -> str:
    names = list(items)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
