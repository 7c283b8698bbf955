"""Imports stand at the top of a module; one in a function leads to another room, and says what it saves."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import provision

PACKAGE = Path(provision.__file__).parent
ROOMS = ("api", "cli", "config")
MODULES = sorted(path for room in ROOMS for path in (PACKAGE / room).rglob("*.py"))


def inner(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each import inside a function: the module, and the line that it stands on."""
    text = path.read_text()
    lines = text.splitlines()
    for function in ast.walk(ast.parse(text)):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.ImportFrom):
                yield str(node.module), lines[node.lineno - 1]
            elif isinstance(node, ast.Import):
                yield node.names[0].name, lines[node.lineno - 1]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_an_import_in_a_function_is_measured_and_of_another_room(path: Path) -> None:
    own = f"provision.{path.relative_to(PACKAGE).parts[0]}"
    for module, line in inner(path):
        assert re.search(r"# noqa: PLC0415 - (\d+ ms|as above)", line), line
        assert module != own, line
        assert not module.startswith(f"{own}."), line
