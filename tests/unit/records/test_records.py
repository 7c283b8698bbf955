"""Records: what they hold, that a change is noticed, and what the gate makes of them."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provision.errors import InputError
from provision.model import Driver, Gpu, Host
from provision.records import (
    Environment,
    Kept,
    Record,
    Refused,
    State,
    answer,
    canonical,
    host_key,
    load,
    load_last,
    save,
    seal,
)
from provision.records.store import place, state_folder

SIGNER, OTHER = (Ed25519PrivateKey.from_private_bytes(one * 32) for one in (b"k", b"o"))
GPU = Gpu(vendor="nvidia", name="H100", uuid="GPU-1", pci="0000:17:00.0", architecture="sm_90")
HOST = Host(gpus=(GPU,), drivers=(Driver(vendor="nvidia", version="580.95.05"),), kernel="6.1.0")
NOW = host_key(HOST, "node1")
THERE = Environment(path="/p", python="3.11.2", packages={}, variables={}, nodes=())


def record(**more: Any) -> Record:  # noqa: ANN401 - fields of several types
    made = Record(
        tool="1.0",
        host=NOW,
        image="site/x:1",
        image_id="sha256:1",
        plan="sha256:2",
        backend="tensorflow",
        level="standard",
        requested="cuda GPU 0",
        verdict="proved",
        code="",
        reason="the model trained and learned on cuda GPU 0",
        at="2026-11-22T10:00:00Z",
        controlled="2026-11-22T10:00:00Z",
        proof="sha256:3",
    )
    return msgspec.structs.replace(made, **more)


def gate(found: Kept | Refused | None, host: Host = HOST, *, image_id: str | None = "sha256:1", **more: Any) -> Any:  # noqa: ANN401 - passed through
    node, keys = more.pop("node", "node1"), more.pop("keys", (SIGNER.public_key(),))
    return answer(found, "site/x:1", host_key(host, node), image_id, more.pop("tool", "1.0"), keys=keys)


def test_canonical_json_is_that_of_rfc_8785() -> None:
    value = {"b": 'é"\\\n\x07\x7f', "a": [1, True, None, {"z": 0, "Z": -1}]}
    # The escapes are those that section 3.2.2.2 lists; U+007F and above stay as they are.
    assert canonical(value) == '{"a":[1,true,null,{"Z":-1,"z":0}],"b":"é\\"\\\\\\n\\u0007\x7f"}'.encode()


def test_keys_are_in_the_order_of_their_utf_16() -> None:
    # U+1F600 begins with the unit D83D, below U+FB33; section 3.2.3 has the example.
    assert canonical({"\ufb33": 1, "\U0001f600": 2, "é": 3, "z": 4}) == '{"z":4,"é":3,"😀":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize("value", [1.5, {"a": [1.0]}])
def test_what_the_canonical_form_does_not_cover_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        canonical(value)


def test_the_gate_opens() -> None:
    found = gate(seal(record(), SIGNER))
    assert (found.state, found.code, found.at) == (State.PROVED, "", "2026-11-22T10:00:00Z")


UPGRADED = msgspec.structs.replace(HOST, drivers=(Driver(vendor="nvidia", version="590.1"),))
SLICED = msgspec.structs.replace(HOST, gpus=(msgspec.structs.replace(GPU, partition="1g.10gb"),))
CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "driver": ({"host": UPGRADED}, "driver: nvidia 580.95.05 -> nvidia 590.1"),
    "kernel": ({"host": msgspec.structs.replace(HOST, kernel="6.2")}, "kernel: 6.1.0 -> 6.2"),
    "GPU gone": (
        {"host": msgspec.structs.replace(HOST, gpus=())},
        "GPUs: nvidia H100 sm_90 0000:17:00.0 GPU-1 -> none",
    ),
    "partitions": ({"host": SLICED}, "partitions: none -> 0000:17:00.0 1g.10gb"),
    "image": ({"image_id": "sha256:9"}, "image: sha256:1 -> sha256:9"),
    "image gone": ({"image_id": None}, "image: sha256:1 -> gone"),
    "tool": ({"tool": "1.1"}, "kgpu-env: 1.0 -> 1.1"),
    "another host": ({"node": "node2"}, "host: node1 -> node2"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_changed_closes_the_gate_and_is_named(name: str) -> None:
    arguments, words = CHANGES[name]
    found = gate(seal(record(), SIGNER), **arguments)
    assert (found.state, found.changed, found.code) == (State.STALE, (words,), "KGE-587")


def test_a_new_windows_driver_below_wsl2_closes_the_gate() -> None:
    """No file below WSL2 tells its version; its folder in Windows' driver store does, which is there once it is."""
    old, new = "u0420081.inf_amd64_11aa", "u0425000.inf_amd64_22bb"
    before, after = (
        msgspec.structs.replace(HOST, drivers=(Driver(vendor="amd", flavour="wsl", store=store),))
        for store in ((old,), (old, new))
    )
    found = gate(seal(record(host=host_key(before, "node1")), SIGNER), after)
    assert (found.state, found.changed) == (State.STALE, (f"driver: amd wsl {old} -> amd wsl {old} {new}",))


def test_what_was_never_proved_stays_closed() -> None:
    assert gate(None).state is State.NEVER
    failed = gate(seal(record(verdict="not-proved", code="KGE-507", reason="no node"), SIGNER))
    assert (failed.state, failed.code) == (State.NEVER, "KGE-507")
    assert gate(seal(record(verdict="cpu"), SIGNER)).state is State.NEVER


def test_what_cannot_be_trusted_is_refused() -> None:
    assert gate(seal(record(), OTHER)).state is State.REFUSED
    assert gate(seal(record(), SIGNER), keys=()).state is State.REFUSED
    assert gate(Refused(why="x.json is no record")).state is State.REFUSED


def test_one_of_several_trusted_keys_is_enough() -> None:
    assert gate(seal(record(), SIGNER), keys=(OTHER.public_key(), SIGNER.public_key())).state is State.PROVED


def test_the_file_of_another_image_is_refused() -> None:
    found = gate(seal(record(image="site/y:1"), SIGNER))
    assert (found.state, "it is about site/y:1" in found.reason) == (State.REFUSED, True)


def test_saved_and_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert load(folder, "node1", "site/x:1") is None
    assert load_last(folder, "node1") is None
    sealed = seal(record(), SIGNER)
    path = save(folder, sealed)
    assert load(folder, "node1", "site/x:1") == sealed == load_last(folder, "node1")
    assert load(folder, "node2", "site/x:1") is None
    assert load_last(folder, "node2") is None
    assert [one.name for one in folder.iterdir()] == [path.name]


def test_the_last_of_several(tmp_path: Path) -> None:
    for number, image in enumerate(("site/a:1", "site/b:1", "site/c:1")):
        path = save(tmp_path, seal(record(image=image), SIGNER))
        os.utime(path, (number, number))
    os.utime(place(tmp_path, "node1", "site/b:1"), (9, 9))
    last = load_last(tmp_path, "node1")
    assert isinstance(last, Kept)
    assert last.record.image == "site/b:1"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "kgpu-env/record/2"}', "[" * 100_000])
def test_a_damaged_file_is_no_record(text: str, tmp_path: Path) -> None:
    place(tmp_path, "node1", "site/x:1").write_text(text)
    found = load(tmp_path, "node1", "site/x:1")
    assert isinstance(found, Refused)
    assert (found.code, "is no record" in found.why) == ("KGE-588", True)


def test_a_record_of_an_earlier_version_is_told_as_such(tmp_path: Path) -> None:
    old = {"schema": "kgpu-env/record/1", "verdict": "proved", "digest": "sha256:0", "signature": "hmac-sha256:0"}
    place(tmp_path, "node1", "site/x:1").write_bytes(msgspec.json.encode(old))
    found = gate(load(tmp_path, "node1", "site/x:1"))
    assert (found.state, found.code) == (State.REFUSED, "KGE-597")
    assert "earlier version" in found.reason


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError) as caught:
        save(tmp_path / "file" / "x", seal(record(), SIGNER))
    assert caught.value.code == "KGE-589"


def test_the_place_of_the_records(monkeypatch: pytest.MonkeyPatch) -> None:
    assert state_folder({"XDG_STATE_HOME": "/state"}) == Path("/state/kgpu-env/proofs")
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    assert state_folder({"XDG_STATE_HOME": "relative"}) == Path("/home/me/.local/state/kgpu-env/proofs")
    assert state_folder({}) == Path("/home/me/.local/state/kgpu-env/proofs")


def test_the_last_of_the_images_is_no_environment(tmp_path: Path) -> None:
    save(tmp_path, seal(record(image="this environment (/p)", environment=THERE), SIGNER))
    assert load_last(tmp_path, "node1") is None


def test_a_gpu_that_nothing_drives_takes_no_part() -> None:
    held = Gpu(vendor="nvidia", pci="0000:99:00.0", kernel_driver="vfio-pci", usable=False, unusable="it is held")
    assert host_key(msgspec.structs.replace(HOST, gpus=(*HOST.gpus, held)), "node1") == NOW
