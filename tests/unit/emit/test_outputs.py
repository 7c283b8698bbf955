"""The table of outputs: what is in it can be reached, and what is incomplete does not even import."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

import provision.emit
from provision.cli.commands import export
from provision.emit import OUTPUTS, writer_of

# What outputs share, and what one of them writes for a whole fleet.
NO_OUTPUTS = {"__init__", "docker_arguments", "kubernetes_fleet", "order", "quick_check", "serialize", "services"}


def test_every_module_is_registered_and_reachable() -> None:
    modules = {path.stem for path in Path(provision.emit.__file__).parent.glob("*.py")} - NO_OUTPUTS
    assert modules == set(OUTPUTS)
    assert tuple(OUTPUTS) == export.KINDS


@pytest.fixture
def hollow(monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of an output without its function."""
    monkeypatch.setitem(sys.modules, "provision.emit.hollow", ModuleType("provision.emit.hollow"))
    return "hollow"


def test_an_output_without_its_module_is_named() -> None:
    with pytest.raises(TypeError, match="the output 'nowhere' is incomplete"):
        writer_of("nowhere")


def test_an_output_without_its_function_is_named(hollow: str) -> None:
    with pytest.raises(TypeError, match="the output 'hollow' is incomplete: its module has no function hollow"):
        writer_of(hollow)
