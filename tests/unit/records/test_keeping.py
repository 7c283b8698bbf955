"""What of a verification is kept, and what a later one makes of it."""

import os
import platform
from pathlib import Path

import pytest

from provision.cli.keeping import file_key, keep, known_control
from provision.errors import InputError
from provision.model import Check, Proof, Status, Verdict
from provision.records import Record, load, problem, state_folder

NODE = platform.node()
CONTROL = Check(name="control", status=Status.PASS, detail="not proved without it")


def proof(verdict: Verdict, *checks: Check, image_id: str = "sha256:1") -> Proof:
    return Proof(verdict=verdict, reason="a reason", image="site/x:1", image_id=image_id, checks=checks)


def kept() -> Record:
    found = load(state_folder(os.environ), NODE, "site/x:1")
    assert isinstance(found, Record)
    return found


def test_a_proof_is_kept_with_its_seal() -> None:
    keep(proof(Verdict.PROVED, CONTROL), "sha256:plan", b"a key of thirty-two bytes.......")
    record = kept()
    assert (record.verdict, record.plan, record.controlled) == ("proved", "sha256:plan", record.at)
    assert problem(record, b"a key of thirty-two bytes.......") == ""


def test_a_failure_replaces_a_proof_and_the_cpu_does_not() -> None:
    keep(proof(Verdict.PROVED, CONTROL), "", None)
    assert keep(proof(Verdict.CPU), "", None) is None
    assert kept().verdict == "proved"
    keep(proof(Verdict.NOT_PROVED), "", None)
    assert kept().verdict == "not-proved"
    keep(proof(Verdict.CPU), "", None)
    assert kept().verdict == "cpu"


def test_the_control_is_known_for_the_same_image_only() -> None:
    assert known_control("site/x:1", "sha256:1") == ""
    keep(proof(Verdict.PROVED, CONTROL), "", None)
    assert known_control("site/x:1", "sha256:1") == kept().at
    assert known_control("site/x:1", "sha256:2") == ""
    assert known_control("site/y:1", "sha256:1") == ""


def test_a_known_control_keeps_its_date() -> None:
    keep(proof(Verdict.PROVED, CONTROL), "", None, known="2026-01-01T00:00:00Z")
    assert known_control("site/x:1", "sha256:1") == "2026-01-01T00:00:00Z"


def test_a_control_that_was_not_tried_is_not_known() -> None:
    keep(proof(Verdict.PROVED), "", None)
    assert known_control("site/x:1", "sha256:1") == ""


def test_a_tampered_record_controls_nothing() -> None:
    path = keep(proof(Verdict.PROVED, CONTROL), "", None)
    assert path is not None
    path.write_text(path.read_text().replace("a reason", "b reason"))
    assert known_control("site/x:1", "sha256:1") == ""


def test_keys(tmp_path: Path) -> None:
    assert file_key(None) is None
    good = tmp_path / "key"
    good.write_bytes(b"0123456789abcdef")
    assert file_key(good) == b"0123456789abcdef"
    good.write_bytes(b"short")
    for path in (good, tmp_path / "none"):
        with pytest.raises(InputError) as caught:
            file_key(path)
        assert caught.value.code == "KGE-591"
