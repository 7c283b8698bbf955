"""The layers: a module imports only from its own layer or a lower one."""

import ast
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "provision"
LAYERS = {
    "__main__": 7,
    "compat": 0,
    "errors": 0,
    "files": 0,
    "locks": 0,
    "model": 0,
    "redaction": 0,
    "resources": 0,
    "variables": 0,
    "writer": 0,
    "catalogue": 1,
    "resolve": 2,
    "render": 3,
    "emit": 3,
    "probe": 4,
    "engine": 4,
    "index": 4,
    "registry": 4,
    "requirements": 4,
    "lock": 5,
    "config": 5,
    "schemas": 0,
    "prove": 5,
    "records": 5,
    "doctor": 5,
    "prepare": 5,
    "report": 5,
    "bundle": 5,
    "supply": 5,
    "api": 6,
    "fleet": 6,
    "cli": 7,
}
PURE = {"errors", "model", "catalogue", "resolve", "render", "emit"}
EFFECTS = {"subprocess", "socket", "docker", "typer", "rich", "time", "requests", "urllib"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@cache
def imports(path: Path) -> frozenset[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_only_downwards(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        return
    own = LAYERS[room(path)]
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "provision" and len(parts) > 1 and parts[1] in LAYERS:
            assert LAYERS[parts[1]] <= own, f"{path.name} imports {name}"


@pytest.mark.parametrize(
    "path", [m for m in MODULES if room(m) in PURE], ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_the_core_has_no_effects(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & EFFECTS


def test_only_the_engine_talks_to_docker() -> None:
    users = {room(path) for path in MODULES if any(name.split(".")[0] == "docker" for name in imports(path))}
    assert users <= {"engine"}


WIRING = {
    "provision.engine.image_build",
    "provision.engine.connection",
    "provision.engine.docker",
    "provision.engine.docker_engine",
    "provision.engine.network",
    "provision.engine.sdk",
    "provision.probe",
    "provision.prove.runner",
    "provision.registry",
    "provision.resolve.resolve",
}


@pytest.mark.parametrize("path", sorted((PACKAGE / "cli").rglob("*.py")), ids=lambda path: path.stem)
def test_the_command_line_leaves_the_wiring_to_the_api(path: Path) -> None:
    assert [name for name in imports(path) for one in WIRING if f"{name}.".startswith(f"{one}.")] == []


def test_workload_needs_only_the_standard_library_and_the_framework() -> None:
    modules = sorted((PACKAGE / "prove" / "workload").glob("*.py"))
    assert modules
    assert not [name for path in modules for name in imports(path) if name.startswith("provision")]


def test_unit_tests_need_no_framework() -> None:
    """They are collected and pass where none is installed; what trains is in tests/backends."""
    heavy = {"numpy", "tensorflow", "keras", "jax", "torch"}
    paths = sorted(Path(__file__).parent.rglob("*.py"))
    assert [path.name for path in paths if {name.split(".")[0] for name in imports(path)} & heavy] == []
