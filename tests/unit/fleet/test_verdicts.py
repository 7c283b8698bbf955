"""From a node's answer to what became of it; a proof counts only with its record."""

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey as Key
from msgspec.structs import replace

from provision import __version__
from provision.catalogue import load
from provision.fleet.verdicts import doubt, failed, judged
from provision.model import Base, Framework, Route, Stack, Vendor, encode
from provision.model.fleet import FleetImage
from provision.model.fleet_apply import Applied
from provision.records import HostKey, Record, seal
from provision.records.keys import make

KEY = HostKey(node="n1", kernel="6.1", drivers=(), gpus=(), layout=())
STACK = Stack(
    vendor=Vendor.CUDA,
    route=Route.WHEELS,
    framework=Framework(name="tensorflow", version="2.18.1"),
    runtime=Framework(name="cuda", version="12.5.1"),
    python="3.11",
    base=Base(image="debian"),
)
IMAGE = FleetImage(
    id="cuda-1", tag="kgpu-env/cuda:1", platform="x86_64", stack=STACK, nodes=("n1",), image_id=f"sha256:{'1' * 64}"
)
RECORD = Record(
    tool=__version__,
    host=KEY,
    image=IMAGE.tag,
    image_id=IMAGE.image_id,
    plan="",
    backend="tensorflow",
    level="standard",
    requested="cuda GPU 0",
    verdict="proved",
    code="",
    reason="it learned",
    at="2026-11-22T10:00:00Z",
    controlled="",
    proof="sha256:0",
)


@pytest.fixture
def key(tmp_path: Path) -> Key:
    return make(tmp_path / "key.pem")


def answered(key: Key, record: Record | None = RECORD, **more: object) -> dict[str, Any]:
    sealed = encode(seal(record, key).envelope).encode() if record else b""
    gate = {"state": "proved", "reason": "it learned, on 2026-11-22", "record": "x"}
    return {"installed": True, "gate": gate, "record": base64.b64encode(sealed).decode(), **more}


def test_an_open_gate_with_its_record_is_proved_before_and_after_a_verification_now(key: Key) -> None:
    node, record = judged("n1", IMAGE, answered(key), (), check=False)
    assert (node.outcome, node.cause) == (Applied.KEPT, "it learned, on 2026-11-22")
    assert record
    node, _ = judged("n1", IMAGE, answered(key, verified='{"verdict": "proved"}'), [key.public_key()], check=False)
    assert node.outcome is Applied.PROVED


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image_id": f"sha256:{'2' * 64}"}, "the plan has"),
        ({"image": "other:1"}, "it is about other:1"),
        ({"verdict": "not-proved"}, "it says not-proved"),
    ],
)
def test_an_open_gate_without_a_record_of_this_image_proves_nothing(
    key: Key,
    change: dict[str, Any],
    words: str,
) -> None:
    node, record = judged("n1", IMAGE, answered(key, replace(RECORD, **change)), (), check=False)
    assert (node.outcome, node.code, record) == (Applied.NOT_PROVED, "KGE-588", b"")
    assert words in node.cause
    assert ("install Python 3" in node.fix) == ("python3" in words)


def test_no_record_another_key_and_a_forged_one_are_refused(key: Key, tmp_path: Path) -> None:
    assert "older" in judged("n1", IMAGE, answered(key, None), (), check=False)[0].cause
    other = make(tmp_path / "other.pem").public_key()
    node, _ = judged("n1", IMAGE, answered(key), [other], check=False)
    assert "another key" in node.cause
    assert "--trusted-key" in node.fix  # another verification there would be signed by the same key
    assert "kgpu-env verify kgpu-env/cuda:1 --key FILE" in node.fix
    assert "--trusted-key" not in judged("n1", IMAGE, answered(key, None), [other], check=False)[0].fix
    assert doubt(b"{}", IMAGE, ())
    assert doubt(b"\xff", IMAGE, ())


def test_a_verdict_of_the_cpu_is_good_for_a_cpu_image_alone(key: Key) -> None:
    told = answered(key, None, gate={"state": "never"}, verified={"verdict": "cpu", "reason": "on the CPU"})
    assert judged("n1", IMAGE, told, (), check=False)[0].outcome is Applied.NOT_PROVED
    image = replace(IMAGE, stack=replace(STACK, vendor=Vendor.CPU))
    assert judged("n1", image, told, (), check=False)[0].outcome is Applied.CPU


def test_with_check_what_is_not_proved_is_due(key: Key) -> None:
    told = answered(
        key, None, gate={"state": "stale", "reason": "the driver changed", "code": "KGE-587", "fix": "again"}
    )
    node, _ = judged("n1", IMAGE, told, (), check=True)
    assert (node.outcome, node.code, node.cause) == (Applied.DUE, "KGE-587", "the driver changed")


def event(kind: str, task: str = "kgpu_env : Load it", **result: object) -> dict[str, Any]:
    return {"event": f"runner_on_{kind}", "event_data": {"host": "n1", "task": task, "res": result}}


@pytest.mark.parametrize(
    ("told", "outcome", "code", "words"),
    [
        (
            event("unreachable", msg="Failed to connect to the host via ssh: refused"),
            Applied.UNREACHABLE,
            "",
            "refused",
        ),
        (event("unreachable", msg="Timeout, server n1 not responding."), Applied.TIMED_OUT, "", "Timeout"),
        (event("failed", msg="KGE-961: the engine has x"), Applied.BROKEN, "KGE-961", "the engine has x (Load it)"),
        (
            event(
                "failed",
                msg="non-zero return code",
                stderr="KGE-590: The gate cannot see the image",
                stdout='{"schema": "kgpu-env/error/1", "code": "KGE-590", "text": "The gate cannot see", "cause": "x"}',
            ),
            Applied.BROKEN,
            "KGE-590",
            "The gate cannot see",
        ),
        (
            event("failed", msg="Failed to import the required Python library (requests) on n1's Python"),
            Applied.BROKEN,
            "",
            "lacks requests",
        ),
        (
            event(
                "failed", msg='Error pulling x: 500 Server Error for http+docker://localhost/v1/images: Bad ("refused")'
            ),
            Applied.BROKEN,
            "",
            'Error pulling x: Bad ("refused") (Load it)',
        ),
        (
            event(
                "failed",
                msg="non-zero return code",
                stdout='{"schema": "kgpu-env/error/1", "code": "KGE-920", "text": "Another verification runs on x."}',
            ),
            Applied.BUSY,
            "KGE-920",
            "Another verification runs on x.",
        ),
        (
            event("failed", task="Refuse to train beside it", msg="KGE-920: another verification runs there, in y"),
            Applied.BUSY,
            "KGE-920",
            "another verification runs there, in y",
        ),
        (
            event(  # the reason comes last, behind an address that is longer than a cause may be
                "failed",
                msg=f"Error pulling x - 500 Server Error for http+docker://localhost/v1.41/x?{'x' * 300}: "
                'Internal Server Error ("connect: connection refused")',
            ),
            Applied.BROKEN,
            "",
            'Error pulling x - Internal Server Error ("connect: connection refused") (Load it)',
        ),
        (
            event("failed", msg="The module interpreter '/usr/bin/python3' was not found."),
            Applied.BROKEN,
            "",
            "'/usr/bin/python3' was not found.",
        ),
        (
            event("failed", msg="Timed out after 120 second(s).", timedout={"period": 120}),
            Applied.TIMED_OUT,
            "",
            "Timed out after 120 second(s). (Load it)",
        ),
        (
            event(
                "failed", msg='Error pulling x - 500 Server Error ("Head "https://x/v2/a": no basic auth credentials")'
            ),
            Applied.BROKEN,
            "KGE-441",
            "the registry reg.example:5000 wants a login",
        ),
        (event("failed"), Applied.BROKEN, "", "(Load it)"),
    ],
)
def test_a_failed_task_names_its_cause(told: dict[str, Any], outcome: Applied, code: str, words: str) -> None:
    node = failed("n1", replace(IMAGE, reference=f"reg.example:5000/a@sha256:{'2' * 64}"), told, load().errors)
    assert (node.outcome, node.code) == (outcome, code)
    assert words in node.cause
