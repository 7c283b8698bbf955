"""A node without kgpu-env: Ansible runs what is needed there, recorded evidence of an H100 answers here."""

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from trees import build

from provision import api
from provision.api.records import trusted_keys
from provision.catalogue import load
from provision.engine.protocol import Run
from provision.fleet.remote import Remote, module
from provision.model import Base, Framework, Proof, Route, Stack, Vendor, Verdict, encode, labels
from provision.model.fleet import FleetImage
from provision.probe.collector import TEXT
from provision.prove.evidence import MARKER
from provision.records.store import place

HARDWARE = Path(__file__).parents[3] / "docs" / "hardware"
RECORD = Path(__file__).parents[1] / "prove" / "data" / "cpu-tensorflow-2.21.json"
STACK = Stack(
    vendor=Vendor.CUDA,
    route=Route.WHEELS,
    framework=Framework(name="tensorflow", version="2.21.0"),
    runtime=Framework(name="cuda", version="12.5.1"),
    python="3.11",
    base=Base(image="debian"),
)
IMAGE = FleetImage(
    id="cuda-1", tag="kgpu-env/cuda:1", platform="x86_64", stack=STACK, nodes=("n1",), image_id=f"sha256:{'1' * 64}"
)


BOOT = "4be1"


def seen(path: Path, *changes: tuple[str, str]) -> dict[str, Any]:
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    found: dict[str, Any] = json.loads(text)
    found["environment"]["boot_id"] = BOOT
    return found


@pytest.fixture(scope="module")
def evidence() -> dict[str, Any]:
    """What an H100 recorded, by the names that the tree has."""
    uuid, own = "feb08d10-bff9-cb90-904e-e1cc344f5a60", "00000000-1111-2222-3333-444455556666"
    changes = (("0000:00:06.0", "0000:17:00.0"), (uuid, own), (uuid.replace("-", ""), own.replace("-", "")))
    return seen(max(HARDWARE.glob("*-h100-*-tensorflow-standard.evidence.json")), *changes)


@pytest.fixture(scope="module")
def without() -> dict[str, Any]:
    """What a CPU recorded: what the control sees, the GPU withheld."""
    return seen(RECORD)


@pytest.fixture
def answer(tmp_path: Path) -> dict[str, Any]:
    tree = build(tmp_path / "tree", "h100")
    text = f"Welcome!\n{TEXT}{base64.b64encode(api.capture(tree)).decode()}\n"
    return {
        "shipped": "True",
        "node": "n1.example",
        "boot": base64.b64encode(f"{BOOT}\n".encode()).decode(),
        "capture": text,
        "engine": {"ServerVersion": "28.5", "Name": "n1", "Architecture": "x86_64", "Runtimes": {"nvidia": {}}},
        "image": {"Id": IMAGE.image_id, "Config": {"Env": ["A=b"], "Labels": {labels.STACK: encode(STACK)}}},
    }


def carried_out(run: Run, told: dict[str, Any]) -> dict[str, Any]:
    """What the container's module gives of a run: its whole output, and how it ended."""
    asked = json.loads(run.command[-1])
    recorded = {**told, "nonce": asked["nonce"], "spec": asked}
    return {"output": f"a word\n{MARKER} {asked['nonce']} {json.dumps(recorded)}\n", "status": "0", "said": ""}


def test_what_ran_there_is_proved_here_and_its_record_opens_the_gate(
    answer: dict[str, Any], evidence: dict[str, Any], without: dict[str, Any], tmp_path: Path
) -> None:
    remote = Remote("n1", IMAGE, answer, load())
    for told in (evidence, without):
        run = remote.prove()
        assert isinstance(run, Run)
        remote.hear(carried_out(run, told), 60.0)
    proof = remote.prove()
    assert isinstance(proof, Proof)
    assert proof.verdict is Verdict.PROVED, proof.reason
    assert proof.origin is not None
    assert proof.origin.node == "n1"
    records = api.Records(folder=tmp_path)
    text = remote.seal(proof, records)
    again = Remote("n1", IMAGE, {**answer, "record": base64.b64encode(text.encode()).decode()}, load())
    keys = trusted_keys(records)
    assert "trained and learned" in again.gate(keys)
    other = Remote("n1", IMAGE, {**answer, "image": {"Id": "sha256:2"}, "record": answer["boot"]}, load())
    assert other.gate(keys) == ""


def test_the_run_is_the_one_of_verify_in_ansibles_words(answer: dict[str, Any]) -> None:
    remote = Remote("n1", IMAGE, answer, load())
    run = remote.prove()
    assert isinstance(run, Run)
    again = remote.prove()
    assert isinstance(again, Run)
    assert again.command == run.command  # of the same number, so that its answer is known again
    words = module(run, "x", 1000.0)
    assert words["labels"] == {"kgpu-env.run": "x", "kgpu-env.deadline": str(int(1600 + run.seconds))}
    assert words["command"][0] == "python3"
    assert words["security"] == ["no-new-privileges"]
    assert words["requests"]
    assert {name for one in words["requests"] for name in one} <= {"driver", "count", "device_ids", "capabilities"}


def test_a_node_that_refuses_is_not_proved_and_its_record_says_so(answer: dict[str, Any], tmp_path: Path) -> None:
    remote = Remote("n1", IMAGE, answer, load())
    assert isinstance(remote.prove(), Run)
    remote.hear({"output": "", "status": "", "said": "Error starting container x: could not select device driver"}, 1.0)
    proof = remote.prove()
    assert isinstance(proof, Proof)
    assert proof.verdict is Verdict.NOT_PROVED
    assert "could not select device driver" in encode(proof)
    text = remote.seal(proof, api.Records(folder=tmp_path, key=None))
    assert remote.file == place(Path(), "n1.example", IMAGE.tag).name
    assert "payload" in msgspec.json.decode(text)


def test_a_container_that_does_not_end_is_told_as_such(answer: dict[str, Any]) -> None:
    remote = Remote("n1", IMAGE, answer, load())
    assert isinstance(remote.prove(), Run)
    remote.hear({"output": "", "status": "", "said": "Read timed out. (read timeout=720)"}, 720.0)
    proof = remote.prove()
    assert isinstance(proof, Proof)
    assert proof.verdict is Verdict.NOT_PROVED
