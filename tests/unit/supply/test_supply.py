"""Inventory, bill of materials, provenance and labels of origin."""

import json
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provision.engine.protocol import Ran, Run
from provision.errors import EngineError, InputError
from provision.model import Base, BuildResult, Framework, Pin, Request, Route, Stack, Vendor
from provision.model.inventory import DebianPackage, Difference, Distribution, Inventory, PinnedFile
from provision.records import attest
from provision.supply import Built, bill, created, differences, is_locked, origin_labels, provenance, read_inventory

ONE, TWO = (f"sha256:{letter * 64}" for letter in "ab")
FOUND = Inventory(
    system="debian",
    python=(Distribution(name="six", version="1.17.0"), Distribution(name="wrapt", version="2.0")),
    debian=(DebianPackage(name="libc6", version="2.36-9", architecture="amd64"),),
    pins=(
        PinnedFile(name="six", version="1.17.0", hashes=(ONE,), layer="framework"),
        PinnedFile(name="wrapt", version="2.0", hashes=(ONE, TWO), layer="framework"),
    ),
)


class Told:
    """An engine whose container says one thing."""

    def __init__(self, text: str) -> None:
        self.text = text

    def run(self, run: Run) -> Ran:
        assert not run.network
        return Ran(exit_code=0, stdout=self.text, stderr="why", seconds=0.1)


def test_what_the_container_tells_is_read() -> None:
    lines = f"--no-index\nSix==1.17.0 --hash={ONE}\nx @ https://host/x.whl --hash={TWO}\n"
    told = {
        "system": "debian",
        "python": [{"name": "Six", "version": "1.17.0", "source": ""}],
        "debian": "installed\tlibc6\t2.36-9\tamd64\nconfig-files\told\t1\tall\n",
        "pins": {"framework": lines},
    }
    found = read_inventory(Told(json.dumps(told)), "i")  # type: ignore[arg-type] # all that is asked
    assert [one.name for one in found.python] == ["six"]
    assert found.debian == FOUND.debian  # what was removed is not installed
    assert [(pin.name, pin.version) for pin in found.pins] == [("six", "1.17.0"), ("x", "")]
    assert is_locked(found)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"python": 5}', '{"python": [], "debian": "x", "system": ""}'])
def test_a_container_that_tells_nothing(text: str) -> None:
    with pytest.raises(EngineError) as caught:
        read_inventory(Told(text), "i")  # type: ignore[arg-type] # as above
    assert (caught.value.code, caught.value.cause) == ("KGE-305", "why")


def test_drift_is_what_differs_from_the_pins() -> None:
    assert differences(FOUND) == ()
    code = Distribution(name="own", version="1", source="file:///dev/context/project")
    now = (Distribution(name="six", version="1.16.0"), Distribution(name="more", version="1"), code)
    drifted = msgspec.structs.replace(FOUND, python=now)
    assert differences(drifted) == (
        Difference(name="more", pinned="", installed="1"),
        Difference(name="six", pinned="1.17.0", installed="1.16.0"),
        Difference(name="wrapt", pinned="2.0", installed=""),
    )


def test_without_hashes_what_is_beside_the_pins_is_no_drift() -> None:
    pins = (PinnedFile(name="six", version="1.17.0"),)
    assert differences(msgspec.structs.replace(FOUND, pins=pins)) == ()


def test_a_bill_is_the_same_bytes_and_valid() -> None:
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415 - slow to import
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415 - as above

    text = bill("i:1", ONE, FOUND)
    assert text == bill("i:1", ONE, FOUND)
    found = json.loads(text)
    assert (found["specVersion"], "timestamp" in found["metadata"]) == ("1.6", False)
    rows = {one["name"]: one for one in found["components"]}
    assert set(rows) == {"six", "wrapt", "libc6"}
    assert rows["six"]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert "hashes" not in rows["wrapt"]  # of two files nobody knows which
    assert rows["libc6"]["purl"] == "pkg:deb/debian/libc6@2.36-9?arch=amd64"
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    try:
        assert validator.validate_str(text.decode()) is None
    except Exception as error:  # noqa: BLE001 - the library's own kind, where its extra is not installed
        assert "Missing" in type(error).__name__  # noqa: PT017 - the schema cannot be asked


def test_a_bill_takes_its_time_from_the_environment() -> None:
    when = created({"SOURCE_DATE_EPOCH": "86400"})
    assert json.loads(bill("i", ONE, FOUND, created=when))["metadata"]["timestamp"].startswith("1970-01-02")


@pytest.mark.parametrize("text", ["yesterday", "-1", "1e9", "9" * 40, "\u0661"])
def test_a_time_that_is_none(text: str) -> None:
    with pytest.raises(InputError) as caught:
        created({"SOURCE_DATE_EPOCH": text})
    assert caught.value.code == "KGE-225"


def test_labels_of_origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(command: list[str], **_: object) -> "subprocess.CompletedProcess[str]":
        word = "https://u:secret@host/x.git\n" if "remote" in command else "0123-dirty\n"
        return subprocess.CompletedProcess(command, 0, word, "")

    monkeypatch.setattr(subprocess, "run", git)
    assert origin_labels({}, None) == {}  # no code goes in: no commit describes the image, and no day
    found = origin_labels({"SOURCE_DATE_EPOCH": "0"}, tmp_path)
    assert found["org.opencontainers.image.created"] == "1970-01-01T00:00:00Z"
    assert found["org.opencontainers.image.revision"] == "0123-dirty"
    assert "secret" not in found["org.opencontainers.image.source"]


def test_a_folder_that_is_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError("git")

    monkeypatch.setattr(subprocess, "run", missing)
    assert origin_labels({}, tmp_path) == {}


def test_provenance_is_signed_and_names_image_base_and_wheels() -> None:
    stack = Stack(
        vendor=Vendor.CPU,
        route=Route.WHEELS,
        framework=Framework(name="tensorflow", version="2.21"),
        runtime=Framework(name="cpu", version="x86_64"),
        python="3.11",
        base=Base(image="debian:12"),
        python_in_base=True,
        summary="made up",
    )
    result = BuildResult(
        image_id=ONE, tag="i:1", plan_digest=TWO, seconds=1.5, cached=False, size_bytes=1, base="debian:12", base_id=TWO
    )
    pins = (Pin(name="six", version="1.17.0", hashes=(ONE,)), Pin(name="wrapt", version="2", hashes=(ONE, TWO)))
    when = datetime(2026, 1, 2, tzinfo=timezone.utc)
    built = Built(result=result, stack=stack, request=Request(), pins=pins, node="node", finished=when, manifest=TWO)
    key = Ed25519PrivateKey.generate()
    envelope = msgspec.json.decode(provenance(built, key), type=attest.Envelope)
    statement = json.loads(attest.verify(envelope, attest.IN_TOTO, (key.public_key(),)))
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    assert [one["digest"]["sha256"][0] for one in statement["subject"]] == ["a", "b"]
    wheels = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert [one["name"] for one in wheels] == ["base", "six", "wrapt"]
    assert wheels[1]["digest"] == {"sha256": "a" * 64}
    assert "digest" not in wheels[2]
    with pytest.raises(attest.UntrustedError):
        attest.verify(envelope, attest.IN_TOTO, (Ed25519PrivateKey.generate().public_key(),))
