"""What of a verification is kept, and what a later one makes of it."""

import stat
from pathlib import Path

import msgspec
import pytest

from provision.api.records import Records, keep, known_control, read_key
from provision.errors import InputError
from provision.model import Check, Proof, Status, Verdict
from provision.records import HostKey, Record, load, problem

NOW = HostKey(node="node7", kernel="6.1", drivers=("nvidia 580.95.05",), gpus=("nvidia H100",), layout=())
CONTROL = Check(name="control", status=Status.PASS, detail="not proved without it")


def proof(verdict: Verdict, *checks: Check, image_id: str = "sha256:1") -> Proof:
    return Proof(verdict=verdict, reason="a reason", image="site/x:1", image_id=image_id, checks=checks)


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(folder=tmp_path / "records")


def kept(records: Records) -> Record:
    found = load(records.folder, NOW.node, "site/x:1")
    assert isinstance(found, Record)
    return found


def test_a_proof_is_kept_with_its_seal(records: Records) -> None:
    keep(
        proof(Verdict.PROVED, CONTROL),
        Records(folder=records.folder, key=b"a key of thirty-two bytes......."),
        NOW,
        plan="sha256:plan",
    )
    record = kept(records)
    assert (record.verdict, record.plan, record.controlled) == ("proved", "sha256:plan", record.at)
    assert problem(record, b"a key of thirty-two bytes.......") == ""


def test_a_failure_replaces_a_proof_and_the_cpu_does_not(records: Records) -> None:
    keep(proof(Verdict.PROVED, CONTROL), records, NOW)
    assert keep(proof(Verdict.CPU), records, NOW) is None
    assert kept(records).verdict == "proved"
    keep(proof(Verdict.NOT_PROVED), records, NOW)
    assert kept(records).verdict == "not-proved"
    keep(proof(Verdict.CPU), records, NOW)
    assert kept(records).verdict == "cpu"


def test_the_control_is_known_for_the_same_image_only(records: Records) -> None:
    assert known_control(records, "site/x:1", "sha256:1", NOW, "tensorflow") == ""
    keep(proof(Verdict.PROVED, CONTROL), records, NOW)
    assert known_control(records, "site/x:1", "sha256:1", NOW, "tensorflow") == kept(records).at
    assert known_control(records, "site/x:1", "sha256:2", NOW, "tensorflow") == ""
    assert known_control(records, "site/y:1", "sha256:1", NOW, "tensorflow") == ""
    assert known_control(records, "site/x:1", "sha256:1", NOW, "torch") == ""


def test_a_record_that_the_key_did_not_sign_controls_nothing(records: Records) -> None:
    keep(proof(Verdict.PROVED, CONTROL), records, NOW)
    keyed = msgspec.structs.replace(records, key=b"k" * 32)
    assert known_control(keyed, "site/x:1", "sha256:1", NOW, "tensorflow") == ""
    keep(proof(Verdict.PROVED, CONTROL), keyed, NOW)
    assert known_control(keyed, "site/x:1", "sha256:1", NOW, "tensorflow") != ""


def test_a_known_control_keeps_its_date(records: Records) -> None:
    keep(proof(Verdict.PROVED, CONTROL), records, NOW, known="2026-01-01T00:00:00Z")
    assert known_control(records, "site/x:1", "sha256:1", NOW, "tensorflow") == "2026-01-01T00:00:00Z"


def test_a_control_that_was_not_tried_is_not_known(records: Records) -> None:
    keep(proof(Verdict.PROVED), records, NOW)
    assert known_control(records, "site/x:1", "sha256:1", NOW, "tensorflow") == ""


def test_a_tampered_record_controls_nothing(records: Records) -> None:
    path = keep(proof(Verdict.PROVED, CONTROL), records, NOW)
    assert path is not None
    path.write_text(path.read_text().replace("a reason", "b reason"))
    assert known_control(records, "site/x:1", "sha256:1", NOW, "tensorflow") == ""


def test_keys(tmp_path: Path) -> None:
    good = tmp_path / "key"
    good.write_bytes(b"0123456789abcdef")
    good.chmod(0o600)
    assert read_key(good) == b"0123456789abcdef"
    good.write_bytes(b"short")
    for path in (good, tmp_path / "none"):
        with pytest.raises(InputError) as caught:
            read_key(path)
        assert caught.value.code == "KGE-591"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o666])
def test_a_key_that_others_may_use_is_none(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"0123456789abcdef")
    path.chmod(mode)
    with pytest.raises(InputError) as caught:
        read_key(path)
    assert caught.value.code == "KGE-591"
    assert f"mode {mode:04o}" in caught.value.cause


def test_a_record_in_a_folder_that_all_may_write_is_refused(records: Records) -> None:
    keep(proof(Verdict.PROVED, CONTROL), records, NOW)
    assert stat.S_IMODE(records.folder.stat().st_mode) == 0o700
    assert isinstance(load(records.folder, NOW.node, "site/x:1"), Record)
    records.folder.chmod(0o777)
    found = load(records.folder, NOW.node, "site/x:1")
    assert isinstance(found, str)
    assert "everybody may write" in found
