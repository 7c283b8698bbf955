"""The workload itself, run for real on the CPU, and the promises that its source must keep."""

import ast
import io
import json
import math
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from provision.engine.protocol import Ran
from provision.model import Vendor, Verdict
from provision.prove import Evidence, Expectation, Problem, parse_result
from provision.prove.checks.placement import BOUND, target
from provision.prove.judge import judge
from provision.prove.workload import model, zipapp
from provision.prove.workload.container import libraries
from provision.prove.workload.measurements import library_rows

FOLDER = zipapp.FOLDER
SOURCE = zipapp.source()
STANDARD = sys.stdlib_module_names | {"tensorflow", "keras", "jax", "torch", "numpy", "__future__"}


def run(spec: dict[str, Any], *options: str, **environment: str) -> Ran:
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, *options, "-c", SOURCE, json.dumps(spec)],
        capture_output=True,
        text=True,
        timeout=240,  # a minute is enough on a machine with nothing else to do
        check=False,
        env={**os.environ, **environment},
    )
    seconds = time.monotonic() - begun
    return Ran(exit_code=done.returncode, stdout=done.stdout, stderr=done.stderr, seconds=seconds)


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
def test_the_cpu_asked_for() -> None:
    ran = run({"nonce": "n1", "device": "CPU", "indices": [0]})
    assert ran.stdout.count("\n") == 1
    evidence = parse_result(ran.stdout, "n1")
    assert isinstance(evidence, Evidence)
    proof = judge(Expectation(vendor=Vendor.CPU, indices=(0,)), ran, evidence)
    assert (proof.verdict, proof.code) == (Verdict.CPU, "")
    assert evidence.trainings[0].ops
    assert proof.versions["tensorflow"].startswith("2.")


@pytest.mark.process
def test_a_gpu_asked_for_where_there_is_none() -> None:
    ran = run({"nonce": "n2", "device": "GPU", "indices": [0]})
    reason = "no NVIDIA device on this host"
    expectation = Expectation(vendor=Vendor.CUDA, indices=(0,), host_has_gpu=False, host_reason=reason)
    proof = judge(expectation, ran, parse_result(ran.stdout, "n2"))
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-501")
    assert proof.reason == f"{reason}; the model trained on the CPU"


@pytest.mark.process
def test_without_tensorflow() -> None:
    ran = run({"nonce": "n3"}, "-S")
    proof = judge(Expectation(vendor=Vendor.CPU, indices=(0,)), ran, parse_result(ran.stdout, "n3"))
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-505")


@pytest.mark.process
def test_sigterm_leaves_a_line_that_proves_nothing() -> None:
    command = [sys.executable, "-c", SOURCE, json.dumps({"nonce": "n4", "device": "CPU", "epochs": 10_000})]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        # TensorFlow's first words come when it is being imported, long before the training ends.
        process.stderr.readline()
        time.sleep(6)
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=60)
    ran = Ran(exit_code=process.returncode, stdout=stdout, stderr=stderr, seconds=1.0)
    evidence = parse_result(stdout, "n4")
    assert not isinstance(evidence, Problem)
    assert evidence.stopped
    proof = judge(Expectation(vendor=Vendor.CPU, indices=(0,)), ran, evidence)
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-503")


# Every library of the table has a row on every backend; what a backend cannot be asked for says so.
ROWS = {
    *("matmul", "conv2d", "conv2d network", "lstm", "fft", "solver", "sparse", "xla", "mixed precision"),
    "collective",
}
PARTS = ["reference", "product", "profile", "speed", "libraries"]


@pytest.mark.process
def test_every_part_on_the_cpu() -> None:
    """What only GPUs are asked for works: on a CPU it must find the CPU."""
    ran = run({"nonce": "n5", "device": "CPU", "indices": [0], "parts": PARTS, "minutes": 0.02, "epochs": 2})
    evidence = parse_result(ran.stdout, "n5")
    assert isinstance(evidence, Evidence)
    assert_rows(evidence, {"collective"})
    [product], [speed], [soak] = evidence.products, evidence.speeds, evidence.soaks
    assert product.difference is not None
    assert product.difference < 1e-5
    assert speed.flops is not None
    assert speed.flops > 1e8
    assert (soak.rounds > 0, soak.wrong, soak.error) == (True, 0, None)
    assert evidence.planes is not None
    assert evidence.planes["/host:CPU"] > 0


def assert_rows(evidence: Evidence, not_asked: set[str]) -> None:
    assert {row.name for row in evidence.libraries} == ROWS
    assert {row.name for row in evidence.libraries if row.not_asked} == not_asked
    done = [row for row in evidence.libraries if not row.not_asked]
    assert [(row.name, row.error) for row in done if row.error] == []
    assert all((row.difference, target(row.place)) == (0.0, "CPU:0") for row in done)


class Elsewhere:
    """A backend whose CPU work is done by a GPU, as TensorFlow's soft placement does with what only a GPU can."""

    np = np
    not_asked: ClassVar[dict[str, str]] = {}

    def exact(self, on: bool) -> None: ...  # noqa: FBT001 - the backends' own signature

    def before_fit(self) -> None: ...

    def operations(self) -> dict[str, Any]:
        return {"lstm": lambda: np.ones(3)}

    def run(self, function: Any, _name: str) -> tuple[Any, str]:  # noqa: ANN401 - as in the workload
        return function(), "/device:GPU:0"


def test_a_gpu_is_not_compared_with_itself() -> None:
    row, _ = library_rows(Elsewhere(), ["/GPU:0"])
    assert (row["difference"], "came from /device:GPU:0" in row["not_asked"]) == (None, True)


@pytest.mark.process
def test_every_part_on_jax() -> None:
    """The same on JAX, on two devices: JAX makes as many of a CPU as it is told to, so they have a sum together."""
    environment = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    spec = {"nonce": "n6", "device": "CPU", "indices": [0, 1], "backend": "jax", "parts": PARTS, "minutes": 0.01}
    ran = run(spec, **environment)
    evidence = parse_result(ran.stdout, "n6")
    assert isinstance(evidence, Evidence), ran.stderr
    proof = judge(Expectation(vendor=Vendor.CPU, indices=(0,), backend="jax"), ran, evidence)
    assert (proof.verdict, proof.backend, proof.reason.split(",")[0]) == (
        Verdict.CPU,
        "jax",
        "the model trained and learned on the CPU",
    )
    explicit = [one for one in evidence.trainings if one.kind == "explicit"]
    assert [{target(place.device) for place in one.weights} for one in explicit] == [{"CPU:0"}, {"CPU:1"}]
    assert [target(op.device) for one in explicit for op in one.ops or () if op.op == "dot_general"] == [
        "CPU:0",
        "CPU:1",
    ]
    *rows, together = evidence.libraries
    assert (together.name, together.error, together.difference, target(together.place)) == (
        *("collective", None, 0.0),
        "CPU:1",
    )
    assert {row.name for row in rows} == ROWS - {"collective"}
    assert [(row.name, row.error, row.not_asked) for row in rows if row.error or row.not_asked] == []
    assert {target(row.place) for row in rows} == {"CPU:0", "CPU:1"}
