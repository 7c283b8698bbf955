"""Every reader of outside data gives a value or an error of its own; `fuzz.py` beside this file has the readers."""

import importlib.util
import os
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


def beside(name: str) -> Any:  # noqa: ANN401 - a module
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec
    assert spec.loader
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


spoilt, _, fuzz = (beside(name) for name in ("spoilt", "outside", "fuzz"))
readers, spoil, tried = fuzz.readers, spoilt.spoil, fuzz.tried
NUMBER = int(os.environ.get("KGPU_TEST_EXAMPLES", "12"))  # more find more


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outside")


@pytest.mark.parametrize("name", readers())
def test_a_spoilt_input_is_a_value_or_a_clean_error(place: Path, name: str) -> None:
    reader = readers()[name]

    @settings(max_examples=NUMBER, derandomize=True, database=None)
    @given(st.randoms(use_true_random=False))
    def wrong(chance: Random) -> None:
        tried(reader, spoil(chance, reader.good), place)

    wrong()


@pytest.mark.parametrize("name", readers())
def test_so_is_what_no_reader_expects(place: Path, name: str) -> None:
    for body in spoilt.BYTES:
        tried(readers()[name], body, place)


@pytest.mark.parametrize("name", readers())
def test_what_is_not_spoilt_is_read(place: Path, name: str) -> None:
    failing = {"engine: a build's progress": "KGE-401"}  # the recording of one that failed
    assert tried(readers()[name], readers()[name].good, place) == failing.get(name, "value")
