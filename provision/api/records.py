"""The records of proofs: kept by a verification, read by the next one and by the gate."""

import os
import platform
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

import provision.catalogue as facts
from provision import __version__
from provision.api.hosts import local_image, probe_host
from provision.errors import EngineError
from provision.model import Proof, Status, Value, Verdict, encode
from provision.redaction import redacted

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from provision.records import Answer, Environment, HostKey, Kept, Record
    from provision.records.gate import Subject


class Records(Value):
    """Where the records of this host's proofs are, which key signs them, and whose signatures are trusted."""

    folder: Path  # `provision.records.state_folder` names the usual one
    key: Path | None = None  # the private key's file; by default this node's own, made when first needed
    trusted: tuple[Path, ...] = ()  # files of public keys; by default the one that belongs to `key`


class KeyPair(Value):
    """What `key` prints."""

    schema: Literal["kgpu-env/key/1"] = "kgpu-env/key/1"
    path: str  # the private key's file
    key_id: str  # by which an envelope names the key
    public: str  # PEM
    made: bool  # now, by this call


def key_pair(path: Path, *, make: bool = True) -> KeyPair:
    """Return the public half of the key in a file.

    Args:
        path: the private key's file.
        make: whether it is made, in a file that must not be there yet.

    Raises:
        InputError: KGE-591, there is no key that can be used, or none can be made.
    """
    from provision.records import attest, keys  # noqa: PLC0415 - 5 ms

    private = keys.make(path) if make else keys.read_private(path)
    public = private.public_key()
    return KeyPair(path=str(path), key_id=attest.key_id(public), public=keys.public_text(public), made=make)


def own_key(records: Records) -> Path:
    """Return the file of the private key that signs, whether it is there or not."""
    from provision.records.keys import own_key as own  # noqa: PLC0415 - 5 ms

    return records.key or own(records.folder, platform.node())


def trusted_keys(records: Records) -> "tuple[Ed25519PublicKey, ...]":
    """Return the public keys whose signatures count: those that are named, else this node's own, if it has one.

    Raises:
        InputError: KGE-591, a key cannot be used.
    """
    from provision.records import keys  # noqa: PLC0415 - 5 ms

    if records.trusted:
        return tuple(keys.read_public(path) for path in records.trusted)
    own = own_key(records)
    if records.key is None and not os.path.lexists(own):
        return ()
    return (keys.read_private(own).public_key(),)


def host_now(catalogue: facts.Catalogue | None = None) -> "HostKey":
    """Return what a proof on this machine depends on, from files alone."""
    from provision.records import host_key  # noqa: PLC0415 - 5 ms

    return host_key(probe_host(Path("/"), catalogue=catalogue), platform.node())


def gate(image: str | None, records: Records, *, catalogue: facts.Catalogue | None = None) -> "Answer":
    """Tell from the record, in well under a second, whether an image is proved on this host as it is now.

    The image's id is asked of the engine at DOCKER_HOST, or at a usual socket.

    Args:
        image: by default the one that was verified last.
        records: where to look, and whose signature counts.
        catalogue: names GPUs and drivers, as in the record.

    Raises:
        EngineError: KGE-590, no engine answers on a local socket.
        InputError: KGE-591, a key cannot be used.
    """
    from provision.records import Kept, answer, load, load_last  # noqa: PLC0415 - 5 ms
    from provision.records.store import place  # noqa: PLC0415 - 5 ms

    node, keys = platform.node(), trusted_keys(records)
    kept = load(records.folder, node, image) if image else load_last(records.folder, node)
    name = image or (kept.record.image if isinstance(kept, Kept) else "")
    ident = _image_id(name) if isinstance(kept, Kept) else None
    found = answer(kept, name, host_now(catalogue), ident, __version__, keys=keys)
    return replace(found, record=str(place(records.folder, node, name))) if isinstance(kept, Kept) else found


def gate_here(python: Path, records: Records, *, catalogue: facts.Catalogue | None = None) -> "Answer":
    """Tell from the record, in well under a second, whether an interpreter's environment is proved as it is now.

    The variables of this process's environment that choose devices and libraries are part of it.

    Args:
        python: the interpreter; it is started to list its packages, and imports none of them.
        records: where to look, and whose signature counts.
        catalogue: names GPUs and drivers, as in the record.

    Raises:
        InputError: KGE-594, the interpreter does not tell its packages; KGE-591, a key cannot be used.
    """
    from provision.records import answer, environment, load, title  # noqa: PLC0415 - 5 ms

    name, keys = title(python), trusted_keys(records)
    kept = load(records.folder, platform.node(), name)
    now = environment(python, os.environ)
    return answer(kept, name, host_now(catalogue), now, __version__, keys=keys)


def known_control(records: Records, image: str, subject: "Subject", host: "HostKey", backend: str | None) -> str:
    """Return when a subject was seen not to be proved without its GPU on the host as it is now; empty: never.

    Args:
        records: where to look.
        image: the image's name, or the title of an environment.
        subject: the image's id or the environment as it is now.
        host: this host, from `host_now`.
        backend: what Keras runs on: each has its own way to the GPU.
    """
    from provision.records.gate import changes  # noqa: PLC0415 - 5 ms

    record = _own_record(records, host.node, image)
    if record is None or record.backend != backend:
        return ""
    return "" if changes(record, host, subject, __version__) else record.controlled


def _own_record(records: Records, node: str, image: str) -> "Record | None":
    """Return the record of an image where this node has signed it itself."""
    from provision.records import UntrustedError, load, trusted  # noqa: PLC0415 - 5 ms

    kept = load(records.folder, node, image)
    try:
        return trusted(kept, image, trusted_keys(replace(records, trusted=()))) if kept else None
    except UntrustedError:
        return None


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
        records: where it is kept, and what signs it; this node's own key is made with its first record.
        host: this host, from `host_now`.
        plan: the digest on the image's label.
        known: when the control was tried, where this proof relied on that.
        environment: what was proved, where there was no container.

    Raises:
        InputError: KGE-589, the folder cannot be written; KGE-591, the key cannot be used.
    """
    from provision.records import save  # noqa: PLC0415 - 5 ms

    if proof.verdict is Verdict.CPU:
        earlier = _own_record(records, host.node, proof.image)
        if earlier and earlier.verdict == Verdict.PROVED:
            return None
    return save(records.folder, sealed(proof, records, host, plan=plan, known=known, environment=environment))


def sealed(
    proof: Proof,
    records: Records,
    host: "HostKey",
    *,
    plan: str = "",
    known: str = "",
    environment: "Environment | None" = None,
) -> "Kept":
    """Return the record of a proof, signed; arguments and errors are those of `keep`, which writes it."""
    from provision.records import keys, seal  # noqa: PLC0415 - 5 ms

    signer = keys.read_private(records.key) if records.key else keys.read_or_make(own_key(records))
    record = replace(_record(proof, host, plan, known), environment=environment)
    return seal(record, signer, proof.checks)


def _record(proof: Proof, host: "HostKey", plan: str, known: str) -> "Record":
    from hashlib import sha256  # noqa: PLC0415 - 3 ms

    from provision.records import Record  # noqa: PLC0415 - 5 ms

    now = proof.origin.at if proof.origin else datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
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
        # Of the report as --report writes it.
        proof=f"sha256:{sha256(redacted(encode(proof)).encode()).hexdigest()}",
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
