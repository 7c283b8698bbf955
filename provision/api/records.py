"""The records of proofs: kept by a verification, read by the next one and by the gate."""

import os
import platform
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

import provision.catalogue as facts
from provision import __version__
from provision.api.hosts import local_image, probe_host
from provision.errors import EngineError, InputError
from provision.model import Proof, Status, Value, Verdict, encode

if TYPE_CHECKING:
    from provision.records import Answer, Environment, HostKey, Record
    from provision.records.gate import Subject

KEY_BYTES = 16  # a shorter key can be guessed


class Records(Value):
    """Where the records of this host's proofs are, and the key that signs them."""

    folder: Path  # `provision.records.state_folder` names the usual one
    key: bytes | None = None


def read_key(path: Path) -> bytes:
    """Return the key in a file.

    Raises:
        InputError: KGE-591, the file cannot be read or holds no key.
    """
    fix = "make one: head -c 32 /dev/urandom > FILE; chmod 600 FILE"
    try:
        key = path.read_bytes()
    except OSError as error:
        raise InputError("KGE-591", f"The key {path} cannot be read.", cause=error.strerror or "", fix=fix) from error
    if len(key) < KEY_BYTES:
        raise InputError(
            "KGE-591", f"{path} is no key.", cause=f"it has {len(key)} bytes, {KEY_BYTES} are the least", fix=fix
        )
    return key


def host_now(catalogue: facts.Catalogue | None = None) -> "HostKey":
    """Return what a proof on this machine depends on, from files alone."""
    from provision.records import host_key  # noqa: PLC0415 - 5 ms

    return host_key(probe_host(Path("/"), catalogue=catalogue), platform.node())


def gate(image: str | None, records: Records, *, catalogue: facts.Catalogue | None = None) -> "Answer":
    """Tell from the record, in well under a second, whether an image is proved on this host as it is now.

    The image's id is asked of the engine at DOCKER_HOST, or at a usual socket.

    Args:
        image: by default the one that was verified last.
        records: where to look; its key, if it has one, must have signed the record.
        catalogue: names GPUs and drivers, as in the record.

    Raises:
        EngineError: KGE-590, no engine answers on a local socket.
    """
    from provision.records import Record, answer, load, load_last  # noqa: PLC0415 - 5 ms

    node = platform.node()
    record = load(records.folder, node, image) if image else load_last(records.folder, node)
    name = image or (record.image if isinstance(record, Record) else "")
    ident = _image_id(name) if isinstance(record, Record) else None
    return answer(record, name, host_now(catalogue), ident, __version__, key=records.key)


def gate_here(python: Path, records: Records, *, catalogue: facts.Catalogue | None = None) -> "Answer":
    """Tell from the record, in well under a second, whether an interpreter's environment is proved as it is now.

    The variables of this process's environment that choose devices and libraries are part of it.

    Args:
        python: the interpreter; it is started to list its packages, and imports none of them.
        records: where to look; its key, if it has one, must have signed the record.
        catalogue: names GPUs and drivers, as in the record.

    Raises:
        InputError: KGE-594, the interpreter does not tell its packages.
    """
    from provision.records import answer, environment, load, title  # noqa: PLC0415 - 5 ms

    name = title(python)
    record = load(records.folder, platform.node(), name)
    now = environment(python, os.environ)
    return answer(record, name, host_now(catalogue), now, __version__, key=records.key)


def known_control(records: Records, image: str, subject: "Subject", host: "HostKey", backend: str | None) -> str:
    """Return when a subject was seen not to be proved without its GPU on the host as it is now; empty: never.

    Args:
        records: where to look.
        image: the image's name, or the title of an environment.
        subject: the image's id or the environment as it is now.
        host: this host, from `host_now`.
        backend: what Keras runs on: each has its own way to the GPU.
    """
    from provision.records import Record, load, problem  # noqa: PLC0415 - 5 ms
    from provision.records.gate import changes  # noqa: PLC0415 - as above

    record = load(records.folder, host.node, image)
    if not isinstance(record, Record) or problem(record, records.key) or record.backend != backend:
        return ""
    return "" if changes(record, host, subject, __version__) else record.controlled


def keep(
    proof: Proof,
    records: Records,
    host: "HostKey",
    *,
    plan: str = "",
    known: str = "",
    environment: "Environment | None" = None,
) -> Path | None:
    """Write the record of a proof; return its file.

    A training on the CPU, as asked, says nothing about the GPU: it does not replace the record of a proof.

    Args:
        proof: as judged, with its image.
        records: where it is kept, and what signs it.
        host: this host, from `host_now`.
        plan: the digest on the image's label.
        known: when the control was tried, where this proof relied on that.
        environment: what was proved, where there was no container.

    Raises:
        InputError: KGE-589, the folder cannot be written.
    """
    from provision.records import Record, load, save, seal  # noqa: PLC0415 - 5 ms

    if proof.verdict is Verdict.CPU:
        earlier = load(records.folder, host.node, proof.image)
        if isinstance(earlier, Record) and earlier.verdict == Verdict.PROVED:
            return None
    return save(records.folder, seal(replace(_record(proof, host, plan, known), environment=environment), records.key))


def _record(proof: Proof, host: "HostKey", plan: str, known: str) -> "Record":
    from hashlib import sha256  # noqa: PLC0415 - 3 ms

    from provision.records import Record  # noqa: PLC0415 - 5 ms

    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    control = next((check for check in proof.checks if check.name == "control"), None)
    tried = control is not None and control.status is Status.PASS
    return Record(
        tool=__version__,
        host=host,
        image=proof.image,
        image_id=proof.image_id,
        plan=plan,
        backend=proof.backend,
        level=proof.level,
        requested=proof.requested,
        verdict=proof.verdict.value,
        code=proof.code,
        reason=proof.reason,
        at=now,
        controlled=known or (now if tried else ""),
        proof=f"sha256:{sha256(encode(proof).encode()).hexdigest()}",
    )


def _image_id(image: str) -> str | None:
    try:
        found = local_image(image)
    except OSError as error:
        raise EngineError(
            "KGE-590",
            "The gate cannot see the image: no engine answers on this host.",
            cause=str(error),
            fix="start the engine; DOCKER_HOST must name a local socket (unix://...)",
        ) from error
    return found.image_id if found else None
