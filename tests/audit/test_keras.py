"""The rows of Keras on JAX and torch against what was found in their wheels."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from provision.catalogue import load, rows

MEASURED: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "measured_keras.yaml").read_text())
ROWS = [row for row in load().keras.keras_cuda if row.measured]


def libraries(row: rows.KerasCuda) -> list[dict[str, Any]]:
    """Return what the libraries of a framework's own wheels hold, those with its kernels."""
    wheels = [MEASURED[one] for one in row.packages if one in MEASURED and not one.startswith("nvidia")]
    assert wheels
    found = {name: one for wheel in wheels for name, one in wheel["libraries"].items()}
    # torch's other libraries have kernels of NVSHMEM, or for some functions alone.
    return list(found.values()) if row.backend == "jax" else [found["libtorch_cuda.so"]]


def capabilities(library: dict[str, Any], kind: str) -> set[str]:
    words = [word.split() for word in library["fat_binaries"]]
    return {f"{number[:-1]}.{number[-1]}" for one, number in words if one == kind}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_the_machine_code_is_what_was_measured(row: rows.KerasCuda) -> None:
    found = set.intersection(*(capabilities(one, "code") for one in libraries(row)))
    # A few kernels of torch alone know 8.9, 10.3 and 12.1: the others run the code of a lower minor version.
    few = {"8.9", "10.3", "12.1"} if row.backend == "torch" else set()
    assert found - few == set(row.sass)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_the_ptx_is_what_was_measured(row: rows.KerasCuda) -> None:
    """CUDA 13 packs PTX so that its version cannot be read; the capability stands outside."""
    for one in libraries(row):
        assert capabilities(one, "ptx") == {ptx.capability for ptx in row.ptx}
        versions = {word.split()[-1] for word in one["ptx"] if word != "not readable"}
        assert versions <= {ptx.isa for ptx in row.ptx}
