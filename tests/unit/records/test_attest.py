"""Signed envelopes: what a signature covers, and that nothing else counts."""

import copy
import subprocess
from base64 import b64decode, b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from provision.errors import InputError
from provision.model import decode, encode
from provision.records import UntrustedError, answer, attest, keys, seal, statement
from provision.records.gate import State
from provision.records.record import HostKey, Record
from provision.records.store import _read

SIGNER, OTHER = (Ed25519PrivateKey.from_private_bytes(one * 32) for one in (b"k", b"o"))
TRUSTED = (SIGNER.public_key(),)
TYPE, PAYLOAD = "application/vnd.example+json", b'{"a": 1}'
HOST = HostKey(node="node1", kernel="6.1", drivers=("nvidia 580.1",), gpus=("nvidia H100",), layout=())
RECORD = Record(
    tool="1.0",
    host=HOST,
    image="site/x:1",
    image_id="sha256:1",
    plan="sha256:2",
    backend="tensorflow",
    level="standard",
    requested="cuda GPU 0",
    verdict="proved",
    code="KGE-500",
    reason="it trained",
    at="2026-11-22T10:00:00Z",
    controlled="2026-11-22T10:00:00Z",
    proof="sha256:3",
)


def envelope(payload_type: str = TYPE, payload: bytes = PAYLOAD, *signers: Ed25519PrivateKey) -> attest.Envelope:
    made = [attest.sign(payload_type, payload, one) for one in signers or (SIGNER,)]
    signatures = tuple(item for one in made for item in one.signatures)
    return msgspec.structs.replace(made[0], signatures=signatures)


def test_a_payload_comes_back() -> None:
    assert attest.verify(envelope(), TYPE, TRUSTED) == PAYLOAD
    assert attest.verify(envelope(TYPE, b""), TYPE, TRUSTED) == b""


def test_what_is_signed_is_what_the_format_says() -> None:
    """The pre-authentication encoding of DSSE 1.0, checked with the bare signature."""
    signature = b64decode(envelope("http://example.com/HelloWorld", b"hello world").signatures[0].sig)
    TRUSTED[0].verify(signature, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world")


def test_two_signatures_of_which_one_is_trusted() -> None:
    both = envelope(TYPE, PAYLOAD, OTHER, SIGNER)
    assert attest.verify(both, TYPE, TRUSTED) == PAYLOAD
    with pytest.raises(UntrustedError, match="another key"):
        attest.verify(envelope(TYPE, PAYLOAD, OTHER), TYPE, TRUSTED)


GOOD, FOREIGN = envelope(), envelope(TYPE, PAYLOAD, OTHER)
OWN = GOOD.signatures[0]
SPOILT: dict[str, dict[str, Any]] = {
    "another payload": {"payload": b64encode(b'{"a": 2}').decode()},
    "another type": {"payloadType": "application/vnd.other+json"},
    "no type": {"payloadType": ""},
    "no signature": {"signatures": ()},
    "empty signature": {"signatures": (attest.Signature(keyid=OWN.keyid, sig=""),)},
    "not base64": {"signatures": (attest.Signature(keyid=OWN.keyid, sig="\u00e9!"),)},
    "another's signature under our key's name": {
        "signatures": (attest.Signature(keyid=OWN.keyid, sig=FOREIGN.signatures[0].sig),)
    },
    "our signature under another's name": {
        "signatures": (attest.Signature(keyid=FOREIGN.signatures[0].keyid, sig=OWN.sig),)
    },
    "no key's name": {"signatures": (attest.Signature(keyid="", sig=OWN.sig),)},
    "the same twice": {"signatures": (OWN, OWN)},
    "broken payload": {"payload": "\u00e9"},
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_was_altered_is_not_trusted(name: str) -> None:
    with pytest.raises(UntrustedError):
        attest.verify(msgspec.structs.replace(GOOD, **SPOILT[name]), TYPE, TRUSTED)


def test_the_type_is_part_of_what_is_signed() -> None:
    """One who renames the type, and asks for the new one, finds that it was not signed."""
    renamed = msgspec.structs.replace(GOOD, payloadType="application/vnd.other+json")
    with pytest.raises(UntrustedError, match="not that of its contents"):
        attest.verify(renamed, "application/vnd.other+json", TRUSTED)


def test_without_a_key_nothing_is_trusted() -> None:
    with pytest.raises(UntrustedError):
        attest.verify(GOOD, TYPE, ())


def tampers() -> dict[str, object]:
    """Return the statement altered in each of its places: dropped, emptied, of another type, doubled."""
    original = msgspec.json.decode(statement.statement(RECORD))
    found: dict[str, object] = {}

    def walk(value: object, at: tuple[Any, ...]) -> None:
        if at:
            for name, altered in alterations(value):
                changed = copy.deepcopy(original)
                place: Any = changed
                for step in at[:-1]:
                    place = place[step]
                if name == "dropped":
                    del place[at[-1]]
                else:
                    place[at[-1]] = altered
                if changed != original:
                    found[f"{'.'.join(map(str, at))} {name}"] = changed
        children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for step, child in children:
            walk(child, (*at, step))

    walk(original, ())
    return found


def alterations(value: object) -> list[tuple[str, object]]:
    other: object = f"{value}x" if isinstance(value, str) else "x"
    return [
        ("dropped", None),
        ("null", None),
        ("empty", type(value)()),
        ("other", other),
        ("number", 7),
        ("list", [value]),
    ]


TAMPERS = tampers()


def test_there_are_many_tampers() -> None:
    assert len(TAMPERS) > 157


@pytest.mark.parametrize("name", TAMPERS)
def test_a_tampered_record_never_opens_the_gate(name: str, tmp_path: Path) -> None:
    sealed = seal(RECORD, SIGNER)
    assert answer(sealed, "site/x:1", HOST, "sha256:1", "1.0", keys=TRUSTED).state is State.PROVED
    payload = b64encode(msgspec.json.encode(TAMPERS[name])).decode()
    for signatures in (sealed.envelope.signatures, attest.sign(attest.IN_TOTO, b64decode(payload), OTHER).signatures):
        path = tmp_path / "record.json"
        path.write_text(encode(msgspec.structs.replace(sealed.envelope, payload=payload, signatures=signatures)))
        told = answer(_read(path), "site/x:1", HOST, "sha256:1", "1.0", keys=TRUSTED)
        assert (told.state, told.code) == (State.REFUSED, "KGE-588")


def test_a_statement_that_contradicts_its_record_is_refused() -> None:
    """Others go by subject and result: one who has the key cannot make them say what the record does not."""
    told = msgspec.json.decode(statement.statement(RECORD))
    for place, value in (
        (("predicate", "result"), "FAILED"),
        (("predicate", "result"), "WARNED"),
        (("predicate", "passedTests"), []),
        (("predicate", "failedTests"), ["verdict"]),
        (("predicate", "kgpuEnv", "verdict"), "cpu"),
        (("subject",), []),
        (("subject", 0, "digest", "sha256"), "2"),
    ):
        changed = copy.deepcopy(told)
        within: Any = changed
        for step in place[:-1]:
            within = within[step]
        within[place[-1]] = value
        with pytest.raises(ValueError, match=r"its (subject|result) is"):
            statement.read(msgspec.json.encode(changed))


def test_an_envelope_travels_as_json() -> None:
    assert decode(encode(GOOD), attest.Envelope) == GOOD
    with pytest.raises(msgspec.ValidationError):
        decode(encode(msgspec.structs.replace(GOOD, signatures=(OWN,) * 9)), attest.Envelope)


PRIVATE = Path("key.pem")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    keys.make(PRIVATE)
    return tmp_path


def refusal(read: Any, path: Path) -> str:  # noqa: ANN401 - a reader of either kind
    with pytest.raises(InputError) as caught:
        read(path)
    assert caught.value.code == "KGE-591"
    assert caught.value.exit_code == 3
    assert caught.value.fix
    return caught.value.cause


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o666])
def test_a_private_key_that_others_may_use_is_none(folder: Path, mode: int) -> None:
    PRIVATE.chmod(mode)
    assert f"mode {mode:04o}" in refusal(keys.read_private, folder / PRIVATE)


def test_a_private_key_that_others_may_exchange_is_none(folder: Path) -> None:
    folder.chmod(0o777)
    assert "everybody may write into" in refusal(keys.read_private, folder / PRIVATE)
    folder.chmod(0o1777)  # as /tmp
    keys.read_private(folder / PRIVATE)


def test_a_private_key_is_no_link(folder: Path) -> None:
    (folder / "link").symlink_to(PRIVATE)
    assert "a symbolic link" in refusal(keys.read_private, folder / "link")
    (folder / "nowhere").symlink_to("absent")
    assert "a symbolic link" in refusal(keys.read_or_make, folder / "nowhere")
    assert not (folder / "absent").exists()


def test_a_trusted_key_may_be_a_link_and_not_writable_by_all(folder: Path) -> None:
    public = folder / "key.pub"
    public.write_text(keys.public_text(keys.read_private(PRIVATE).public_key()))
    (folder / "link").symlink_to(public)
    assert keys.read_public(folder / "link") == keys.read_private(PRIVATE).public_key()
    public.chmod(0o666)
    assert "everybody may write it" in refusal(keys.read_public, public)


def test_what_is_no_key(folder: Path) -> None:
    for text in (
        b"",
        b"0123456789abcdef" * 4,
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"\xff" * 99,
    ):
        (folder / "bad").write_bytes(text)
        (folder / "bad").chmod(0o600)
        assert refusal(keys.read_private, folder / "bad")
        assert refusal(keys.read_public, folder / "bad")
    assert "a private key" in refusal(keys.read_public, folder / PRIVATE)


@pytest.mark.process
@pytest.mark.parametrize(
    "kind", [("rsa", "-pkeyopt", "rsa_keygen_bits:1024"), ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")]
)
def test_keys_of_another_kind(folder: Path, kind: tuple[str, ...]) -> None:
    subprocess.run(("openssl", "genpkey", "-algorithm", *kind, "-out", "x.pem"), check=True, capture_output=True)
    subprocess.run(("openssl", "pkey", "-in", "x.pem", "-pubout", "-out", "x.pub"), check=True, capture_output=True)
    assert "only Ed25519" in refusal(keys.read_private, folder / "x.pem")
    assert "only Ed25519" in refusal(keys.read_public, folder / "x.pub")


@pytest.mark.process
def test_a_key_with_a_password(folder: Path) -> None:
    command = ("openssl", "pkey", "-in", "key.pem", "-aes256", "-passout", "pass:x", "-out", "locked.pem")
    subprocess.run(command, check=True, capture_output=True)
    Path("locked.pem").chmod(0o600)
    assert "a password" in refusal(keys.read_private, folder / "locked.pem")


@pytest.mark.process
def test_a_key_is_one_that_openssl_reads(folder: Path) -> None:
    ended = subprocess.run(("openssl", "pkey", "-in", folder / PRIVATE, "-pubout"), check=True, capture_output=True)
    public = keys.read_private(PRIVATE).public_key()
    assert ended.stdout.decode() == keys.public_text(public)
    assert public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) == ended.stdout


def test_a_key_is_never_replaced(folder: Path) -> None:
    before = PRIVATE.read_bytes()
    with pytest.raises(InputError, match="is there already"):
        keys.make(folder / PRIVATE)
    assert keys.read_or_make(PRIVATE).public_key() == keys.read_private(PRIVATE).public_key()
    assert (PRIVATE.read_bytes(), [one.name for one in folder.iterdir()]) == (before, ["key.pem"])


def test_processes_that_begin_together_have_one_key(folder: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: keys.read_or_make(folder / "new" / "node.pem").public_key(), range(32)))
    assert len({keys.public_text(one) for one in made}) == 1
    assert [one.name for one in (folder / "new").iterdir()] == ["node.pem"]


def test_where_no_key_can_be_made(folder: Path) -> None:
    assert "File exists" in refusal(keys.read_or_make, folder / "key.pem" / "x")
    assert "null" in refusal(keys.make, folder / "a\0b")


@pytest.mark.parametrize("node", ["node7", "a.b.example", "../../etc/passwd", "", "..", "nö/de", "x" * 999])
def test_a_nodes_own_key_lies_beside_its_records(node: str) -> None:
    path = keys.own_key(Path("/state/kgpu-env/proofs"), node)
    assert path.parent == Path("/state/kgpu-env/keys")
    assert path.name.isascii()
    assert not path.name.startswith(".")
