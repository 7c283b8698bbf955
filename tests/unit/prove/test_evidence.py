"""Only the one line with this run's number is evidence."""

import json
from typing import Any

import pytest

from provision.prove import Evidence, Problem, parse_result
from provision.prove.evidence import MARKER


def line(record: dict[str, Any], nonce: str = "n1", inner: str | None = None) -> str:
    return f"{MARKER} {nonce} {json.dumps(record | {'nonce': inner or nonce})}\n"


def problem(stdout: str) -> str:
    found = parse_result(stdout, "n1")
    assert isinstance(found, Problem)
    return found.what


def test_the_recorded_line_is_read(cpu_record: dict[str, Any]) -> None:
    found = parse_result("a banner of the image\n" + line(cpu_record), "n1")
    assert isinstance(found, Evidence)
    assert found.versions["tensorflow"] == "2.21.0"
    assert [training.kind for training in found.trainings] == ["explicit", "implicit"]


def test_silence_and_rubbish() -> None:
    assert "no output at all" in problem(" \n")
    assert "other output" in problem("Segmentation fault\n")


def test_a_forged_line_spoils_the_right_one(cpu_record: dict[str, Any]) -> None:
    assert "forged" in problem(line(cpu_record, "n2"))
    assert "forged" in problem(line(cpu_record, "n2") + line(cpu_record))
    assert "another run" in problem(line(cpu_record, "n1", inner="n2"))


def test_two_right_lines_are_one_too_many(cpu_record: dict[str, Any]) -> None:
    assert "2 result lines" in problem(line(cpu_record) * 2)


@pytest.mark.parametrize("keep", [30, 400, 4000])
def test_a_truncated_line(cpu_record: dict[str, Any], keep: int) -> None:
    assert "ends in the middle" in problem(line(cpu_record)[:keep])


def test_only_the_marker() -> None:
    assert "not JSON" in problem(f"{MARKER} n1\n")
    assert "forged" in problem(f"{MARKER}\n")


@pytest.mark.parametrize("key", ["trainings", "environment", "driver", "stopped", "import_error", "nonce"])
def test_a_missing_part_is_no_evidence(cpu_record: dict[str, Any], key: str) -> None:
    less = {name: value for name, value in (cpu_record | {"nonce": "n1"}).items() if name != key}
    assert key in problem(f"{MARKER} n1 {json.dumps(less)}\n")


def test_a_wrong_type_is_no_evidence(cpu_record: dict[str, Any]) -> None:
    assert "another shape" in problem(line(cpu_record | {"stopped": "no"}))


def test_deep_nesting_is_no_crash() -> None:
    assert problem(f"{MARKER} n1 {'[' * 100_000}")
