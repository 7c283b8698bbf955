"""What of a verification is kept, and what a later one makes of it."""

import stat
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from provision.api.records import Records, keep, key_pair, known_control, own_key, trusted_keys
from provision.errors import InputError
from provision.model import Check, Origin, Proof, Status, Verdict, encode
from provision.records import HostKey, Kept, Record, Refused, load, trusted
from provision.records.attest import contents
from provision.redaction import redacted

NOW = HostKey(node="node7", kernel="6.1", drivers=("nvidia 580.95.05",), gpus=("nvidia H100",), layout=())
CONTROL = Check(name="control", status=Status.PASS, detail="not proved without it")


def proof(verdict: Verdict, *checks: Check, image_id: str = "sha256:1") -> Proof:
    return Proof(verdict=verdict, reason="a reason", image="site/x:1", image_id=image_id, checks=checks)


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(folder=tmp_path / "records")


def kept(records: Records) -> Record:
    found = load(records.folder, NOW.node, "site/x:1")
    assert isinstance(found, Kept)
    return trusted(found, "site/x:1", trusted_keys(records))


def test_a_proof_is_kept_and_signed_by_the_nodes_own_key(records: Records) -> None:
    assert not own_key(records).exists()
    keep(proof(Verdict.PROVED, CONTROL), records, NOW, plan="sha256:plan")
    record = kept(records)
    assert (record.verdict, record.plan, record.controlled) == ("proved", "sha256:plan", record.at)
    assert stat.S_IMODE(own_key(records).stat().st_mode) == 0o600
    assert stat.S_IMODE(own_key(records).parent.stat().st_mode) == 0o700


def test_a_proof_is_signed_by_the_key_that_is_named(records: Records, tmp_path: Path) -> None:
    named = msgspec.structs.replace(records, key=tmp_path / "site.pem")
    public = tmp_path / "site.pub"
    public.write_text(key_pair(tmp_path / "site.pem").public)
    keep(proof(Verdict.PROVED, CONTROL), named, NOW)
    assert kept(named) == kept(msgspec.structs.replace(records, trusted=(public,)))
    assert not own_key(records).exists()


def test_the_statement_is_one_that_others_read(records: Records) -> None:
    checks = (
        CONTROL,
        Check(name="speed", status=Status.WARN, detail=""),
        Check(name="soak", status=Status.SKIP, detail=""),
    )
    keep(proof(Verdict.PROVED, *checks), records, NOW)
    found = load(records.folder, NOW.node, "site/x:1")
    assert isinstance(found, Kept)
    told = msgspec.json.decode(contents(found.envelope))
    assert (told["_type"], told["predicateType"]) == (
        "https://in-toto.io/Statement/v1",
        "https://in-toto.io/attestation/test-result/v0.1",
    )
    assert told["subject"] == [{"name": "site/x:1", "digest": {"sha256": "1"}}]
    predicate = told["predicate"]
    assert (predicate["result"], predicate["passedTests"]) == ("WARNED", ["control", "verdict"])
    assert (predicate["warnedTests"], predicate["failedTests"]) == (["speed"], [])
    [configuration] = predicate["configuration"]
    assert configuration["digest"]["sha256"] == predicate["kgpuEnv"]["proof"].removeprefix("sha256:")


def test_the_record_names_the_report_as_it_is_written(records: Records) -> None:
    told = msgspec.structs.replace(proof(Verdict.PROVED, CONTROL), seen="https://user:secret@host.example/")
    keep(told, records, NOW)
    written = redacted(encode(told))  # by --report
    assert "secret" not in written
    assert kept(records).proof == f"sha256:{sha256(written.encode()).hexdigest()}"


def test_the_record_has_the_date_of_its_proof(records: Records) -> None:
    at = "2026-11-23T07:42:31Z"
    keep(msgspec.structs.replace(proof(Verdict.PROVED), origin=Origin(node="node7", at=at)), records, NOW)
    assert kept(records).at == at


@pytest.mark.parametrize("verdict", [Verdict.CPU, Verdict.NOT_PROVED, Verdict.INVALID])
def test_only_a_gpu_that_is_proved_passes(records: Records, verdict: Verdict) -> None:
    keep(proof(verdict, CONTROL), records, NOW)
    found = load(records.folder, NOW.node, "site/x:1")
    assert isinstance(found, Kept)
    predicate = msgspec.json.decode(contents(found.envelope))["predicate"]
    assert (predicate["result"], predicate["failedTests"]) == ("FAILED", ["verdict"])


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


def test_a_record_that_the_key_did_not_sign_controls_nothing(records: Records, tmp_path: Path) -> None:
    keep(proof(Verdict.PROVED, CONTROL), records, NOW)
    key_pair(tmp_path / "key.pem")
    keyed = msgspec.structs.replace(records, key=tmp_path / "key.pem")
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
    found = load(records.folder, NOW.node, "site/x:1")
    assert isinstance(found, Kept)
    altered = b64encode(contents(found.envelope).replace(b"a reason", b"b reason")).decode()
    path.write_text(path.read_text().replace(found.envelope.payload, altered))
    assert known_control(records, "site/x:1", "sha256:1", NOW, "tensorflow") == ""


def test_a_record_in_a_folder_that_all_may_write_is_refused(records: Records) -> None:
    keep(proof(Verdict.PROVED, CONTROL), records, NOW)
    assert stat.S_IMODE(records.folder.stat().st_mode) == 0o700
    assert isinstance(load(records.folder, NOW.node, "site/x:1"), Kept)
    records.folder.chmod(0o777)
    found = load(records.folder, NOW.node, "site/x:1")
    assert isinstance(found, Refused)
    assert "everybody may write" in found.why


def test_a_key_that_cannot_be_used_keeps_no_record(records: Records) -> None:
    keep(proof(Verdict.PROVED, CONTROL), records, NOW)
    own_key(records).chmod(0o640)
    with pytest.raises(InputError) as caught:
        keep(proof(Verdict.NOT_PROVED), records, NOW)
    assert caught.value.code == "KGE-591"
    own_key(records).chmod(0o600)
    assert kept(records).verdict == "proved"
