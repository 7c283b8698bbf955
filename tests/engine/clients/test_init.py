"""The questions of `init`, answered at a real terminal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.engine
Start = Callable[..., Any]  # of the conftest: a Terminal


def written(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((folder / "kgpu-env.yaml").read_text())
    return found


def test_answers_become_the_project_file(terminal: Start, tmp_path: Path) -> None:
    asked = terminal("init")
    asked.expect("Vendor")
    asked.type("cpu\r")
    asked.expect("Python packages")
    asked.type("pandas>=2.2 scipy\r")
    asked.expect("kgpu-env up")
    assert (asked.end(), asked.restored) == (0, True)
    assert written(tmp_path)["vendor"] == "cpu"
    assert written(tmp_path)["packages"] == ["pandas>=2.2", "scipy"]


def test_enter_takes_what_is_suggested(terminal: Start, tmp_path: Path) -> None:
    asked = terminal("init")
    asked.expect("[auto]")  # this machine has no GPU
    asked.type("\r")
    asked.expect("[jupyterlab]")
    asked.type("\r")
    assert asked.end() == 0
    assert (written(tmp_path)["vendor"], written(tmp_path)["packages"]) == ("auto", ["jupyterlab"])


def test_a_wrong_answer_is_asked_again(terminal: Start, tmp_path: Path) -> None:
    asked = terminal("init")
    asked.expect("Vendor")
    asked.type("nvidai\r")
    asked.expect("did you mean nvidia?")
    asked.type("cpu\r")
    asked.expect("Python packages")
    asked.type("pandas -x\r")
    asked.expect("-x")
    asked.expect("Python packages")
    assert list(tmp_path.iterdir()) == []
    asked.type("none\r")
    assert asked.end() == 0
    assert "packages" not in written(tmp_path)
    assert "Traceback" not in asked.seen


@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["Ctrl-C", "Ctrl-D"])
@pytest.mark.parametrize("question", ["Vendor", "Python packages"])
def test_leaving_writes_nothing(terminal: Start, tmp_path: Path, question: str, key: str) -> None:
    asked = terminal("init", "--output=new")
    asked.expect("Vendor")
    if question != "Vendor":
        asked.type("cpu\r")
        asked.expect(question)
    asked.type(key)
    assert (asked.end(), asked.restored, list(tmp_path.iterdir())) == (130, True, [])
    assert asked.seen.rstrip().endswith("nothing was written.")
    assert "Traceback" not in asked.seen


def test_a_file_that_is_there_is_told_before_the_questions(terminal: Start, tmp_path: Path) -> None:
    (tmp_path / "kgpu-env.yaml").write_text("vendor: rocm\n")
    asked = terminal("init")
    assert asked.end() == 3
    assert ("KGE-609" in asked.seen, "Vendor" in asked.seen) == (True, False)
    assert written(tmp_path) == {"vendor": "rocm"}
