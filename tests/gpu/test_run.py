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
        "checks": [{"name": "visible", "status": "pass", "detail": "1 listed | one"}],
        "libraries": [{"name": "fft", "device": "/GPU:0", "state": "works", "detail": "it does"}],
    }


CASES = {
    "proved, and not without its GPUs": (("cuda", 0, "proved", 7, "not-proved"), True),
    "proved without its GPUs too": (("cuda", 0, "proved", 0, "proved"), False),
    "invalid": (("cuda", 7, "invalid", 7, "not-proved"), False),
    "on the CPU": (("cuda", 0, "cpu", 7, "not-proved"), False),
    "the hidden run broke": (("cuda", 0, "proved", 1, "none"), False),
    "ended at its limit": (("cuda", None, "none", 7, "not-proved"), False),
    "an exit code that lies": (("cuda", 7, "proved", 7, "not-proved"), False),
    "a CPU asked for": (("cpu", 0, "cpu", 0, "cpu"), True),
    "a CPU that failed": (("cpu", 7, "not-proved", 7, "not-proved"), False),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_good(name: str) -> None:
    (vendor, code, word, hidden_code, hidden_word), right = CASES[name]
    assert RUN.good(vendor, code, verdict(word), hidden_code, verdict(hidden_word)) is right


@pytest.fixture
def arguments(tmp_path: Path) -> argparse.Namespace:
    words = ["run", "--out", str(tmp_path), "--backends", "sys,json,os"]  # three that can be imported
    made: argparse.Namespace = RUN.options().parse_args(words)
    return made


def prove(arguments: argparse.Namespace, monkeypatch: pytest.MonkeyPatch) -> int:
    """Play a machine with an H100, on which `sys` is proved, `json` breaks and `os` is not proved."""

    def verify(backend: str, _: object, environment: dict[str, str], *__: object) -> tuple[int, dict[str, Any]]:
        if backend == "json":
            raise ValueError("broken")
        hidden = environment.get("CUDA_VISIBLE_DEVICES") == "-1"
        return (0, verdict("proved")) if backend == "sys" and not hidden else (7, verdict("not-proved"))

    host = {"gpus": [{"name": H100}], "drivers": [{"version": "580.95.05"}]}
    monkeypatch.setattr(RUN, "host", lambda _: dict(host))
    monkeypatch.setattr(RUN, "verify", verify)
    monkeypatch.setattr(RUN, "recorded", lambda *_: f'{{"path": "{sys.executable}", "at": "{RUN.ROOT}/x"}}')
    monkeypatch.setattr(RUN, "call", lambda *_: MACHINE.Ended(0, "", ""))
    code: int = RUN.run(arguments)
    return code


def test_what_a_run_leaves(arguments: argparse.Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    (arguments.out / "README.md").write_text((HARDWARE / "README.md").read_text())
    assert prove(arguments, monkeypatch) == 1
    names = {path.name[11:] if path.name[:2] == "20" else path.name for path in arguments.out.iterdir()}
    stem = "nvidia-h100-80gb-hbm3"
    files = {f"{stem}-{backend}{ending}" for backend in ("sys", "os") for ending in (".json", ".md", ".evidence.json")}
    assert names == files | {"json-failed.txt", "README.md"}
    assert "ValueError: broken" in (arguments.out / "json-failed.txt").read_text()
    [evidence] = arguments.out.glob("*-sys.evidence.json")
    assert json.loads(evidence.read_text()) == {"path": "python3", "at": "./x"}, "no path of this machine"
    text = (arguments.out / "README.md").read_text()
    assert f"| {H100} | 580.95.05 | sys |" in text
    assert "| proved | [page](" in text
    assert "| not-proved | [page](" in text
    assert "Not seen on hardware yet" not in text


def test_the_page_of_a_run(arguments: argparse.Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    prove(arguments, monkeypatch)
    [page] = arguments.out.glob("*-sys.md")
    text = page.read_text()
    assert text.startswith(f"# {H100}, sys: proved\n")
    assert "driver 580.95.05" in text
    assert "    python3 tests/gpu/run.py run --wheels wheels --vendor cuda --level standard --backends sys" in text
    assert "| visible | pass | 1 listed / one |" in text
    assert "| fft | /GPU:0 | works | it does |" in text
    assert "With the GPUs hidden: not-proved." in text


def test_a_rehearsal_is_not_in_the_table(arguments: argparse.Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments.vendor = "cpu"
    prove(arguments, monkeypatch)
    assert "Not seen on hardware yet." in REPORT.table(arguments.out)


def test_the_readme_is_what_the_reports_make_of_it() -> None:
    text = (HARDWARE / "README.md").read_text()
    assert REPORT.readme(text, HARDWARE) == text, "python3 tests/gpu/run.py table"


@pytest.mark.parametrize(
    ("out", "code", "why"),
    [
        ('{"schema": "kgpu-env/error/1", "what": "w"}', 3, '"what": "w"'),
        ("rubbish", 1, "rubbish"),
        ("", 1, "no output"),
        ("", None, "not done after 5 s"),
        ("[1", 0, "[1"),
    ],
)
def test_what_is_no_proof_is_told(
    out: str, code: int | None, why: str, arguments: argparse.Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RUN, "call", lambda *_: MACHINE.Ended(code, out, ""))
    found_code, proof = RUN.verify("jax", arguments, {}, 5.0, None)
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
