"""Scenarios and the values to play them with; evidence comes from the judge's own tests."""

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
import yaml

from provision.catalogue import load
from provision.engine.protocol import Ran
from provision.model import Gpu, Proof, Vendor
from provision.prove import Evidence, Expectation, Problem
from provision.prove.judge import judge

ROOT = Path(__file__).parents[2]


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of scenarios.yaml."""

    id: str
    where: str
    code: str
    peers: str
    what: str


def scenarios() -> dict[str, Scenario]:
    rows = yaml.safe_load((ROOT / "tests" / "sabotage" / "scenarios.yaml").read_text())["scenarios"]
    return {row.id: row for row in msgspec.convert(rows, list[Scenario])}


def module(name: str, path: Path) -> ModuleType:
    """Import a test file that is no package."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made


VALUES = module("kgpu_proof_values", ROOT / "tests" / "unit" / "prove" / "conftest.py")
ENGINE = module("kgpu_engine_fixtures", ROOT / "tests" / "engine" / "conftest.py")
# The engine's fixtures, as they are: the scenarios in containers need them.
engine, base, api, tag = ENGINE.engine, ENGINE.base, ENGINE.api, ENGINE.tag
tensorflow_image, podman = ENGINE.tensorflow_image, ENGINE.podman

CPU_RECORD: dict[str, Any] = json.loads(VALUES.RECORD.read_text())
GPU_RECORD: dict[str, Any] = VALUES.seen("tensorflow")
CUDA_BUILD = {"is_cuda_build": "True", "is_rocm_build": "False"}
ROCM_BUILD = {"is_cuda_build": "False", "is_rocm_build": "True"}
GPU: Gpu = VALUES.gpu_of(GPU_RECORD)
CUDA = Expectation(vendor=Vendor.CUDA, indices=(0,), gpus=(GPU,))
ROCM = Expectation(vendor=Vendor.ROCM, indices=(0,), gpus=(Gpu(vendor="amd", pci="0000:17:00.0"),))
DONE = Ran(exit_code=0, stdout="", stderr="", seconds=60.0)
# A CUDA build that was given nothing trains on the CPU, and all of it looks well.
ON_CPU: dict[str, Any] = CPU_RECORD | {"build": CUDA_BUILD}

Put = Callable[..., dict[str, Any]]


def put(record: dict[str, Any], *changes: tuple[tuple[Any, ...], Any]) -> dict[str, Any]:
    """Return a copy of a record with some of its values replaced, by path."""
    made: dict[str, Any] = json.loads(json.dumps(record))
    for path, value in changes:
        at: Any = made
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value
    return made


def judged(expectation: Expectation, record: dict[str, Any] | Problem, ran: Ran = DONE, **more: object) -> Proof:
    """Judge a record as verify does, with the whole catalogue of messages."""
    evidence = record if isinstance(record, Problem) else msgspec.convert(record, Evidence)
    return judge(expectation, msgspec.structs.replace(ran, **more), evidence, load().errors)


@pytest.fixture(scope="session")
def rows() -> dict[str, Scenario]:
    return scenarios()
