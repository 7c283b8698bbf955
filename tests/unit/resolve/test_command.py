"""`kgpu-env resolve` at a terminal: what a person reads, in its order."""

import io
import sys
from pathlib import Path

import pytest

from provision.cli.app import main

pytestmark = pytest.mark.usefixtures("miniature")

HOST = Path(__file__).parents[2] / "data" / "hosts" / "h100-535.json"


def read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *words: str) -> list[str]:
    """Run the command with stdout and stderr on one terminal; return its lines."""
    screen = io.StringIO()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["kgpu-env", "resolve", "--host", str(HOST), *words])
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys, "stderr", screen)
    with pytest.raises(SystemExit):
        main()
    return screen.getvalue().splitlines()


@pytest.mark.parametrize("words", [(), ("--explain",)])
def test_the_answer_comes_before_the_warnings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[str, ...]
) -> None:
    lines = read(monkeypatch, tmp_path, *words)
    assert lines[0].startswith("Chosen    TensorFlow 2.16.2")
    warned = [line.startswith("warning   ") for line in lines]
    assert any(warned)
    assert warned == sorted(warned)


def test_an_explanation_without_a_stack_ends_with_its_sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = read(monkeypatch, tmp_path, "--tensorflow", "2.12", "--explain")
    start = next(number for number, line in enumerate(lines) if line.startswith("Sources   "))
    assert lines[start : start + 3] == [
        "Sources   TFDOC: TensorFlow's install pages at 7c36502 (github.com/tensorflow/docs)",
        "          PYPI: metadata and file lists of the wheels (the Python Package Index)",
        "          WHL: measured inside the x86-64 wheel: compiled code by architecture (tests/audit/measured.yaml)",
    ]
    assert lines[start + 3].startswith("KGE-212: ")
