"""The hardware run, without hardware: its own judgement, its limits, and that one backend's failure is its own."""

import argparse
import importlib
import json
import os
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # as Python does for the script
RUN = importlib.import_module("run")
SABOTAGE = importlib.import_module("gpu_sabotage")
MACHINE = importlib.import_module("gpu_machine")
REPORT = importlib.import_module("gpu_report")
WHEELS = importlib.import_module("gpu_wheels")
sys.path.remove(str(HERE))
HARDWARE = HERE.parents[1] / "docs" / "hardware"
H100 = "NVIDIA H100 80GB HBM3"


def verdict(word: str) -> dict[str, Any]:
    return {
        "verdict": word,
        "reason": "a reason",
        "code": "" if word == "proved" else "KGE-528",
        "checks": [{"name": "visible", "status": "pass", "detail": "1 listed | one"}],
        "libraries": [{"name": "fft", "device": "/GPU:0", "state": "works", "detail": "it does"}],
    }


def record(word: str = "proved", code: int | None = 0, **other: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Return a run in which all is as it must be, but for what is given."""
    ran = {"exit": code, "proof": verdict(word)}
    taken = [{"name": "hidden", "verdict": "not-proved", "right": True}]
    return {"first": ran, "quick": ran, "gate": {"exit": 0, "state": "proved"}, "sabotage": taken, **other}


CASES = {
    "proved, and not without its GPU": (record(), True),
    "proved without its GPU too": (record(sabotage=[{"name": "hidden", "verdict": "proved", "right": False}]), False),
    "nothing could be taken away": (record(sabotage=[{"name": "memory taken", "skipped": "why"}]), False),
    "invalid": (record("invalid", 7), False),
    "on the CPU": (record("cpu"), False),
    "not proved at the second time": (record(quick={"exit": 7, "proof": verdict("not-proved")}), False),
    "no record of it": (record(gate={"exit": 7, "state": "never"}), False),
    "ended at its limit": (record("none", None), False),
    "an exit code that lies": (record("proved", 7), False),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_good(name: str) -> None:
    run, right = CASES[name]
    assert RUN.good("cuda", run) is right


def test_a_rehearsal_is_good_where_the_cpu_trained() -> None:
    assert RUN.good("cpu", record("cpu")) is True
    assert RUN.good("cpu", record("not-proved", 7)) is False


def test_what_is_done_to_each_backend() -> None:
    path = {"LD_LIBRARY_PATH": "/usr/local/nvidia/lib64:/v/nvidia/cudnn/lib:/v/nvidia/cublas/lib"}
    names = {one.name: one for one in SABOTAGE.sabotages("cuda", "tensorflow", path)}
    assert set(names) == {"hidden", "another GPU", "memory taken", "libraries off the path"}
    assert names["libraries off the path"].environment == {"LD_LIBRARY_PATH": "/usr/local/nvidia/lib64"}
    for backend in ("torch", "jax"):
        assert {one.name for one in SABOTAGE.sabotages("cuda", backend, {})} == {
            *("hidden", "another GPU", "memory taken", "default on the CPU")
        }


@pytest.mark.parametrize(
    ("document", "code", "right"),
    [
        (verdict("not-proved") | {"code": "KGE-528"}, 7, True),
        (verdict("not-proved") | {"code": "KGE-503"}, 7, False),  # it ran out of time
        (verdict("proved"), 0, False),
        (verdict("not-proved"), 0, False),
        ({"code": "KGE-306", "text": "w", "fix": "f"}, 2, False),
        ("rubbish", 7, False),
    ],
)
def test_what_sabotage_must_end_in(
    document: object, code: int, *, right: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MACHINE, "call", lambda *_: MACHINE.Ended(code, json.dumps(document), ""))
    [hidden, another, *_] = SABOTAGE.sabotages("cuda", "jax", {})
    assert RUN.sabotage(hidden, "cuda", "jax", {}, 30.0)["right"] is right
    assert RUN.sabotage(another, "cuda", "jax", {}, 30.0)["right"] is (code == 2)


@pytest.mark.process
def test_memory_that_nobody_can_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no libcuda here: it is said, and no run is taken for one without memory."""
    monkeypatch.setattr(MACHINE, "call", lambda *_: pytest.fail("it was run"))
    one = next(one for one in SABOTAGE.sabotages("cuda", "jax", {}) if one.taken)
    assert "let nobody take" in RUN.sabotage(one, "cuda", "jax", {}, 30.0)["skipped"]


@pytest.fixture
def arguments(tmp_path: Path) -> argparse.Namespace:
    words = ["run", "--out", str(tmp_path), "--backends", "sys,json,os"]  # three that can be imported
    made: argparse.Namespace = RUN.options().parse_args(words)
    return made


def prove(arguments: argparse.Namespace, monkeypatch: pytest.MonkeyPatch) -> int:
    """Play a machine with an H100, on which `sys` is proved, `json` breaks and `os` is not proved."""

    def verify(
        _: str, backend: str, environment: dict[str, str], *__: object, **___: object
    ) -> tuple[int, dict[str, Any]]:
        if backend == "json":
            raise ValueError("broken")
        hidden = environment.get("CUDA_VISIBLE_DEVICES") == "-1"
        return (0, verdict("proved")) if backend == "sys" and not hidden else (7, verdict("not-proved"))

    host = {"gpus": [{"name": H100}], "drivers": [{"version": "580.95.05"}]}
    monkeypatch.setattr(RUN, "host", lambda _: dict(host))
    monkeypatch.setattr(RUN, "verify", verify)
    monkeypatch.setattr(RUN, "gate", lambda _: {"exit": 0, "state": "proved", "seconds": 0.3})
    monkeypatch.setattr(
        RUN.gpu_sabotage, "sabotages", lambda *_: [SABOTAGE.Sabotage("hidden", "w", ("KGE-528",), SABOTAGE.HIDE)]
    )
    monkeypatch.setattr(RUN, "recorded", lambda *_: f'{{"path": "{sys.executable}", "at": "{RUN.ROOT}/x"}}')
    monkeypatch.setattr(RUN, "call", lambda *_: MACHINE.Ended(0, "", ""))
    code: int = RUN.run(arguments)
    return code


def test_what_a_run_leaves(arguments: argparse.Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    (arguments.out / "README.md").write_text((HARDWARE / "README.md").read_text())
    assert prove(arguments, monkeypatch) == 1
    names = {path.name[11:] if path.name[:2] == "20" else path.name for path in arguments.out.iterdir()}
    stem = "nvidia-h100-80gb-hbm3"
    files = {
        f"{stem}-{backend}-standard{ending}"
        for backend in ("sys", "os")
        for ending in (".json", ".md", ".evidence.json")
    }
    assert names == files | {"json-failed.txt", "README.md"}
    assert "ValueError: broken" in (arguments.out / "json-failed.txt").read_text()
    [evidence] = arguments.out.glob("*-sys-standard.evidence.json")
    assert json.loads(evidence.read_text()) == {"path": "python3", "at": "./x"}, "no path of this machine"
    text = (arguments.out / "README.md").read_text()
    assert f"| {H100} | 580.95.05 | sys | standard |" in text
    assert "| proved | 1 of 1 | [page](" in text
    assert "| not-proved | 1 of 1 | [page](" in text
    assert "Not seen on hardware yet" not in text


def test_the_page_of_a_run(arguments: argparse.Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    prove(arguments, monkeypatch)
    [page] = arguments.out.glob("*-sys-standard.md")
    text = page.read_text()
    assert text.startswith(f"# {H100}, sys: proved\n")
    assert "driver 580.95.05" in text
    assert "    python3 tests/gpu/run.py run --wheels wheels --vendor cuda --level standard --backends sys" in text
    assert "| visible | pass | 1 listed / one |" in text
    assert "| fft | /GPU:0 | works | it does |" in text
    assert "| hidden | w | not-proved | KGE-528 | a reason |" in text
    assert "`gate` then said proved, exit 0, in 0.30 s." in text


def test_a_rehearsal_is_not_in_the_table(arguments: argparse.Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments.vendor = "cpu"
    prove(arguments, monkeypatch)
    assert "Not seen on hardware yet." in REPORT.table(arguments.out)


def test_the_readme_is_what_the_reports_make_of_it() -> None:
    text = (HARDWARE / "README.md").read_text()
    assert REPORT.readme(text, HARDWARE) == text, "python3 tests/gpu/run.py table"
    for stem, made in REPORT.records(HARDWARE):
        assert (HARDWARE / f"{stem}.md").read_text() == REPORT.page(made), "python3 tests/gpu/run.py table"


@pytest.mark.parametrize(
    ("out", "code", "why"),
    [
        ("rubbish", 1, "rubbish"),
        ("", 1, "no output"),
        ("", None, "not done after 5 s"),
        ("[1", 0, "[1"),
    ],
)
def test_what_is_no_proof_is_told(out: str, code: int | None, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MACHINE, "call", lambda *_: MACHINE.Ended(code, out, ""))
    found_code, proof = RUN.verify("cuda", "jax", {}, 5.0)
    assert (found_code, proof["verdict"], proof["checks"]) == (code, "none", [])
    assert why in proof["reason"]


def test_a_command_ends_at_its_limit_and_ends_its_own() -> None:
    source = "import time\ntry: time.sleep(60)\nexcept KeyboardInterrupt: print('ended')"
    begun = time.monotonic()
    ended = MACHINE.call(["-c", source], dict(os.environ), 2.0)
    assert (ended.code, ended.stdout) == (None, "ended\n")
    assert time.monotonic() - begun < 15


CARDS = {
    "as the probe says": ({"gpus": [{"name": H100}], "drivers": [{"version": "580"}]}, "cuda", (H100, "580")),
    "the probe failed, and there is no nvidia-smi": ({"problem": "p"}, "cuda", ("unknown GPU", "unknown")),
    "no driver known": ({"gpus": [{"name": "MI300X"}], "drivers": []}, "rocm", ("MI300X", "unknown")),
    "a rehearsal": ({}, "cpu", ("no GPU", "none")),
}


@pytest.mark.parametrize("name", CARDS)
def test_which_card_it_was(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    seen, vendor, expected = CARDS[name]
    assert MACHINE.card(seen, vendor) == expected


def test_nvidia_smi_is_asked_where_the_probe_does_not_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smi = tmp_path / "nvidia-smi"
    smi.write_text(f"#!/bin/sh\necho '{H100}, 580.95.05'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert MACHINE.card({"gpus": []}, "cuda") == (H100, "580.95.05")


def test_wheels_are_unpacked_for_this_python(tmp_path: Path) -> None:
    folder = tmp_path / f"{sys.version_info[0]}.{sys.version_info[1]}"
    folder.mkdir()
    with zipfile.ZipFile(folder / "one-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("one/__init__.py", "")
        wheel.writestr("one-1.0.data/purelib/two/__init__.py", "")
    WHEELS.unpack(tmp_path, tmp_path / "target")
    assert (tmp_path / "target" / "one" / "__init__.py").exists()
    assert (tmp_path / "target" / "two" / "__init__.py").exists()


def test_wheels_for_another_python_are_none(tmp_path: Path) -> None:
    (tmp_path / "2.7").mkdir()
    with pytest.raises(SystemExit, match=r"no wheels for Python 3\.\d+: run\.py fetch"):
        WHEELS.unpack(tmp_path, tmp_path / "target")
