"""How the workload starts, and the promises that its source must keep; tests/backends trains with it."""

import ast
import io
import json
import math
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, ClassVar

import pytest
from workload import SOURCE, run

from provision.model import Vendor, Verdict
from provision.prove import Evidence, Expectation, parse_result
from provision.prove.checks.placement import BOUND
from provision.prove.judge import judge
from provision.prove.workload import model, zipapp
from provision.prove.workload.container import libraries
from provision.prove.workload.measurements import library_rows

FOLDER = zipapp.FOLDER
STANDARD = sys.stdlib_module_names | {"tensorflow", "keras", "jax", "torch", "numpy", "__future__"}


def test_it_fits_into_one_argument() -> None:
    assert len(SOURCE.encode()) < 131_072 / 2


def test_the_same_sources_are_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipapp, "FOLDER", tmp_path)
    texts = {path.name: path.read_text() for path in FOLDER.glob("*.py")}
    for name in sorted(texts, reverse=True):  # another order, and other dates
        (tmp_path / name).write_text(texts[name])
    again = zipapp.archive()
    monkeypatch.undo()
    assert again == zipapp.archive()
    assert set(zipfile.ZipFile(io.BytesIO(again)).namelist()) == set(texts) - {"zipapp.py"}


def test_no_other_maker_s_library_is_opened() -> None:
    names = {vendor: {item["name"] for item in libraries(vendor)} for vendor in ("cuda", "rocm", "cpu", None)}
    assert names["cuda"] == {"libcuda.so.1"}
    assert {name.split(".")[0] for name in names["rocm"]} == {"libamdhip64"}
    assert names["cpu"] == set()
    assert names[None] == names["cuda"] | names["rocm"]


def test_it_is_python_3_9_of_the_standard_library_and_the_framework() -> None:
    for path in FOLDER.glob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(), feature_version=(3, 9))))
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
        assert {name.split(".")[0] for name in names} <= STANDARD, path.name


def started(command: list[str], folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the workload on a JAX that cannot be imported, which it says in a second."""
    spec = json.dumps({"nonce": "n0", "backend": "jax"})
    return subprocess.run(
        [sys.executable, *command, spec],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=folder,
        env={**os.environ, **environment},
    )


@pytest.mark.process
@pytest.mark.parametrize("way", ["folder", "file", "argument", "module"])
def test_each_way_to_start_it(way: str, tmp_path: Path) -> None:
    """Modules of the same names on the path are not taken for its own, nor its own for a framework's."""
    for path in FOLDER.glob("*.py"):
        (tmp_path / path.name).write_text("raise RuntimeError('the environment')\n")
    (tmp_path / "jax.py").write_text("import xplane\n")  # as a framework might call one of its modules
    single = tmp_path / "elsewhere" / "workload.py"  # Python looks into a file, not at its name
    single.parent.mkdir()
    made = [sys.executable, "-m", "provision.prove.workload", "--pack", str(single)]
    assert subprocess.run(made, cwd=Path(__file__).parents[3], check=False).returncode == 0
    command = {"folder": [str(FOLDER)], "file": [str(single)], "argument": ["-c", SOURCE]}
    module = ["-m", "provision.prove.workload"]
    root = f"{Path(__file__).parents[3]}:" if way == "module" else ""
    temporary, called = tmp_path / "temporary", tmp_path / "called"
    for folder in (temporary, called):
        folder.mkdir()
    if way != "module":  # there the folder it is called in counts, as Python means it
        (called / "json.py").write_text("raise RuntimeError('the wrong module')\n")
    ended = started(command.get(way, module), called, PYTHONPATH=f"{root}{tmp_path}", TMPDIR=str(temporary))
    evidence = parse_result(ended.stdout, "n0")
    assert isinstance(evidence, Evidence), ended.stderr
    assert evidence.import_error is not None
    assert evidence.import_error.text == "the environment"
    assert list(temporary.iterdir()) == [], "nothing is left behind"


@pytest.mark.process
def test_a_framework_that_aborts_in_its_teardown_takes_nothing_back(tmp_path: Path) -> None:
    (tmp_path / "jax.py").write_text("import atexit, os\natexit.register(os.abort)\nraise ImportError('said first')\n")
    ended = started(["-c", SOURCE], tmp_path, PYTHONPATH=str(tmp_path))
    assert ended.returncode == 0
    assert isinstance(parse_result(ended.stdout, "n0"), Evidence)


@pytest.mark.process
def test_words_that_are_no_spec() -> None:
    for words in (["nonsense"], ['{"unknown": 1}'], ["[]"], ["{}", "{}"]):
        command = [sys.executable, str(FOLDER), *words]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr.startswith("usage: ")


def test_the_judge_holds_the_bound_that_the_workload_explains() -> None:
    assert BOUND == model.BOUND == math.log(10) / 10


@pytest.mark.process
def test_without_tensorflow() -> None:
    ran = run({"nonce": "n3"}, "-S")
    proof = judge(Expectation(vendor=Vendor.CPU, indices=(0,)), ran, parse_result(ran.stdout, "n3"))
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-505")


class Elsewhere:
    """A backend whose CPU work is done by a GPU, as TensorFlow's soft placement does with what only a GPU can."""

    np = None  # nothing is compared
    not_asked: ClassVar[dict[str, str]] = {}

    def exact(self, on: bool) -> None: ...  # noqa: FBT001 - the backends' own signature

    def before_fit(self) -> None: ...

    def operations(self) -> dict[str, Any]:
        return {"lstm": lambda: [1.0, 1.0, 1.0]}

    def run(self, function: Any, _name: str) -> tuple[Any, str]:  # noqa: ANN401 - as in the workload
        return function(), "/device:GPU:0"


def test_a_gpu_is_not_compared_with_itself() -> None:
    row, _ = library_rows(Elsewhere(), ["/GPU:0"])
    assert (row["difference"], "came from /device:GPU:0" in row["not_asked"]) == (None, True)
