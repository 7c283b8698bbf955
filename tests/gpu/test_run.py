"""The hardware run's own judgement; what it runs needs a GPU, and is tried here on nothing."""

import argparse
import importlib.util
from pathlib import Path
from typing import Any

import pytest

SPEC = importlib.util.spec_from_file_location("kgpu_gpu_run", Path(__file__).with_name("run.py"))
assert SPEC is not None
assert SPEC.loader is not None
RUN = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(RUN)


def verdict(word: str) -> dict[str, Any]:
    return {
        "verdict": word,
        "reason": "a reason",
        "checks": [{"name": "visible", "status": "pass", "detail": "1 listed"}],
    }


CASES = {
    "proved, and not without its GPUs": (("cuda", 0, "proved", 7, "not-proved"), True),
    "proved without its GPUs too": (("cuda", 0, "proved", 0, "proved"), False),
    "invalid": (("cuda", 7, "invalid", 7, "not-proved"), False),
    "on the CPU": (("cuda", 0, "cpu", 7, "not-proved"), False),
    "the hidden run broke": (("cuda", 0, "proved", 1, "none"), False),
    "an exit code that lies": (("cuda", 7, "proved", 7, "not-proved"), False),
    "a CPU asked for": (("cpu", 0, "cpu", 0, "cpu"), True),
    "a CPU that failed": (("cpu", 7, "not-proved", 7, "not-proved"), False),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_good(name: str) -> None:
    (vendor, code, word, hidden_code, hidden_word), right = CASES[name]
    assert RUN.good(vendor, code, verdict(word), hidden_code, verdict(hidden_word)) is right


def test_the_report_names_what_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RUN, "gpu_name", lambda: "NVIDIA H100 80GB HBM3, 580.95.05")
    text = RUN.note("jax", verdict("proved"), verdict("not-proved"), argparse.Namespace(level="standard"))
    assert text.startswith("# NVIDIA H100 80GB HBM3, 580.95.05, jax: proved\n")
    assert "| visible | pass | 1 listed |" in text
    assert "With the GPUs hidden: not-proved" in text


def test_the_readme_claims_nothing_without_a_report() -> None:
    folder = Path(__file__).parents[2] / "docs" / "hardware"
    reports = [path for path in folder.glob("*.md") if path.name != "README.md"]
    assert reports or "Not seen on hardware yet." in (folder / "README.md").read_text()
