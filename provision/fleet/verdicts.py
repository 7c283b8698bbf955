"""From what a node answered to what became of it. A proof counts only by its record: signed, and of the very image."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec.structs import replace

from provision.catalogue.messages import KnownError
from provision.doctor.messages import recognise
from provision.fleet.images import ids_of
from provision.fleet.playbook import ADDRESS, Failure, brief, failure, said
from provision.model import Vendor, Verdict, decode
from provision.model.fleet import FleetImage
from provision.model.fleet_apply import Applied, AppliedNode
from provision.model.reference import parse_reference
from provision.records import attest, statement
from provision.records.gate import State
from provision.records.record import Record

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_FAILURES: Final = {
    Failure.UNREACHABLE: Applied.UNREACHABLE,
    Failure.TIMED_OUT: Applied.TIMED_OUT,
    Failure.FAILED: Applied.BROKEN,
}
_CODE: Final = "KGE-"
BUSY: Final = "KGE-920"  # of `provision.prove.turn`, and of train.yml
# Of the codes that Ansible's tasks say by themselves.
_FIXES: Final = {
    "KGE-961": "build and ship it again: kgpu-env fleet build PLAN, then fleet apply",
    BUSY: "wait for its end, and run the same again",
}
_ENGINES: Final = ("docker", "podman")
_REGISTRY: Final = "KGE-441"  # wants a login
_LOGIN: Final = (
    "`docker login {registry}` there, as the user that Ansible is; or kgpu_env_registry_user and "
    "kgpu_env_registry_password in the inventory"
)
# Where a key that nobody here trusts has signed: another verification would be signed by it, too.
_TRUST: Final = (
    "trust the node's key with --trusted-key (`kgpu-env key --public`, there, prints it); "
    "or sign there with a trusted one: `kgpu-env verify {image} --key FILE`"
)
_NO_PYTHON: Final = re.compile(r"interpreter '?\S+ was not found|python3?: (?:command )?not found", re.IGNORECASE)
_NO_SDK: Final = "Failed to import the required Python library (requests)"


def failed(name: str, image: FleetImage, event: Mapping[str, Any], messages: Iterable[KnownError]) -> AppliedNode:
    """Return what a failed task says of a node.

    Args:
        name: of the node.
        image: its own of the plan.
        event: "runner_on_failed" or "runner_on_unreachable".
        messages: of the catalogue, among them those of engines.
    """
    data = event["event_data"]
    result = data.get("res") or {}
    kind, message = failure(result, reached=event.get("event") == "runner_on_failed")
    told = f"{message} {said(result)}".strip() if kind is Failure.FAILED else message
    code, told, fix = _error(document(result.get("stdout")), told)
    if not code and kind is Failure.FAILED:
        code, told, fix = _known(result, image, messages) or (code, told, fix)
    task = str(data.get("task", "")).rpartition(" : ")[2]
    said_where = (kind is Failure.FAILED and code != BUSY) or "timedout" in result
    where = f" ({task})" if task and said_where else ""
    cause = brief(told) + where
    outcome = Applied.BUSY if code == BUSY else _FAILURES[kind]
    return AppliedNode(name=name, image=image.id, outcome=outcome, cause=cause, code=code, fix=fix)


def _error(own: Mapping[str, Any], told: str) -> tuple[str, str, str]:
    """Return code, text and fix of a failure: of kgpu-env's own document, else the role's words, else the module's."""
    if str(own.get("schema")).startswith("kgpu-env/error/"):
        return _text(own, "code"), f"{_text(own, 'text')} {_text(own, 'cause')}".strip(), _text(own, "fix")
    if _NO_PYTHON.search(told):
        return "", told, "install Python 3 there, or name it in the inventory: ansible_python_interpreter"
    if _NO_SDK in told:
        text = "its Python lacks requests, which Ansible's docker modules need"
        return "", text, "apt-get install python3-requests"
    at = told.find(_CODE)
    if at < 0:
        return "", told, ""
    code = told[at : at + 7]
    return code, told[at + 7 :].lstrip(": "), _FIXES.get(code, "")


def _known(result: Mapping[str, Any], image: FleetImage, messages: Iterable[KnownError]) -> tuple[str, str, str] | None:
    """Return code, text and fix of what a node's engine said, all of it, where it is a known message."""
    said_all = " ".join(" ".join(str(result.get(key, "")) for key in ("msg", "stderr", "stdout")).split())
    met = next(iter(recognise(said_all, (one for one in messages if one.speaker in _ENGINES))), None)
    if met is None:
        return None
    if met.code != _REGISTRY:
        return met.code, ADDRESS.sub("", said_all), met.fix
    registry = parse_reference(image.reference).registry if image.reference else "of the image"
    words = re.search(met.row.match, said_all)
    text = f"the registry {registry} wants a login, and the node's is missing or wrong: {words[0] if words else ''}"
    return met.code, text, _LOGIN.format(registry=registry)


def judged(
    name: str, image: FleetImage, answer: Mapping[str, Any], keys: "Iterable[Ed25519PublicKey]", *, check: bool
) -> tuple[AppliedNode, bytes]:
    """Return what became of a node that has kgpu-env, and its record; empty where there is none to be kept.

    Args:
        name: of the node.
        image: its own of the plan.
        answer: what its gate and its verification said.
        keys: where there are any, one of them must have signed the record.
        check: whether nothing was to be done.
    """
    gate, verified = document(answer.get("gate")), document(answer.get("verified"))
    node = AppliedNode(name=name, image=image.id, outcome=Applied.NOT_PROVED, shipped=flag(answer.get("shipped")))
    content = decoded(answer.get("record"))
    if gate.get("state") == State.PROVED:
        refused = doubt(content, image, tuple(keys))
        if refused:
            cause = f"its record is refused: {refused.why}"
            return replace(node, cause=cause, code="KGE-588", fix=refused.fix), b""
        return replace(
            node, outcome=Applied.PROVED if verified else Applied.KEPT, cause=brief(_text(gate, "reason"))
        ), content
    if verified.get("verdict") == Verdict.CPU and image.stack.vendor is Vendor.CPU:
        return replace(node, outcome=Applied.CPU, cause="its image is the CPU's, and no GPU was proved"), content
    told = verified or gate
    node = replace(node, **{name: brief(_text(told, key)) for name, key in _WORDS.items()})
    return (replace(node, outcome=Applied.DUE) if check else node), content


_WORDS: Final = {"cause": "reason", "code": "code", "fix": "fix"}


class Doubt(NamedTuple):
    """Why a record does not prove an image, and what helps."""

    why: str
    fix: str


def doubt(content: bytes, image: FleetImage, keys: "tuple[Ed25519PublicKey, ...]") -> Doubt | None:
    """Return why a record does not prove an image; None where it does."""
    again = f"`kgpu-env verify {image.tag}`, on the node"
    if not content:
        return Doubt("the node gave none: its kgpu-env is older than this one", again)
    try:
        envelope = decode(content, attest.Envelope)
        if keys and not {one.keyid for one in envelope.signatures} & set(map(attest.key_id, keys)):
            again = _TRUST.format(image=image.tag)
        payload = attest.verify(envelope, attest.IN_TOTO, keys) if keys else attest.contents(envelope)
        why = _other(statement.read(payload), image)
    except ValueError as error:  # UntrustedError is one
        return Doubt(str(error), again)
    return Doubt(why, again) if why else None


def _other(record: Record, image: FleetImage) -> str:
    if record.verdict != Verdict.PROVED:
        return f"it says {record.verdict}"
    if record.image != image.tag:
        return f"it is about {record.image}"
    if record.image_id not in ids_of(image):
        return f"it is of the image {record.image_id}, and the plan has {image.image_id}"
    return ""


def flag(value: object) -> bool:
    """Return a truth value, which older versions of Ansible give as text."""
    return str(value) == "True"


def document(value: object) -> Mapping[str, Any]:
    """Return a document that Ansible gives as text, or has read already; empty where it is none."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}


def decoded(value: object) -> bytes:
    """Return what is in base64; empty where it is not."""
    try:
        return base64.b64decode(str(value or ""), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _text(told: Mapping[str, Any], key: str) -> str:
    return str(told.get(key) or "")
