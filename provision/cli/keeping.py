"""Keeping a proof's record, for `verify` and `up`, and reading what `gate` compares it with."""

import hashlib
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from provision import __version__
from provision.errors import InputError
from provision.model import Proof, Status, Verdict, encode

if TYPE_CHECKING:
    from provision.records import HostKey, Record

PLAN_LABEL = "io.kgpu-env.plan"
KEY_BYTES = 16  # a shorter key can be guessed


def key_now() -> "HostKey":
    """Return what a proof on this machine depends on, from files alone."""
    from provision.cli.session import probe_this_host
    from provision.records import host_key

    return host_key(probe_this_host(Path("/")), platform.node())


def file_key(path: Path | None) -> bytes | None:
    """Return the key in a file, None when no file is named.

    Raises:
        InputError: KGE-591, the file cannot be read or holds no key.
    """
    if path is None:
        return None
    fix = "make one: head -c 32 /dev/urandom > FILE; chmod 600 FILE"
    try:
        key = path.read_bytes()
    except OSError as error:
        raise InputError("KGE-591", f"The key {path} cannot be read.", why=error.strerror or "", fix=fix) from error
    if len(key) < KEY_BYTES:
        raise InputError(
            "KGE-591", f"{path} is no key.", why=f"it has {len(key)} bytes, {KEY_BYTES} are the least", fix=fix
        )
    return key


def known_control(image: str, image_id: str) -> str:
    """Return when an image was seen not to be proved without its GPU on this host as it is now; empty: never."""
    from provision.records import Record, load, problem, state_folder
    from provision.records.gate import changes

    record = load(state_folder(os.environ), platform.node(), image)
    if not isinstance(record, Record) or problem(record) or changes(record, key_now(), image_id, __version__):
        return ""
    return record.controlled


def keep(proof: Proof, plan: str, key: bytes | None, known: str = "") -> Path | None:
    """Write the record of a proof; return its file.

    A training on the CPU, as asked, says nothing about the GPU: it does not replace the record of a proof.

    Args:
        proof: as judged, with its image.
        plan: the digest on the image's label.
        key: signs the record.
        known: when the control was tried, where this proof relied on that.

    Raises:
        InputError: KGE-589, the state folder cannot be written.
    """
    from provision.records import Record, load, save, seal, state_folder

    if proof.verdict is Verdict.CPU:
        earlier = load(state_folder(os.environ), platform.node(), proof.image)
        if isinstance(earlier, Record) and earlier.verdict == Verdict.PROVED:
            return None
    return save(state_folder(os.environ), seal(_record(proof, plan, known), key))


def _record(proof: Proof, plan: str, known: str) -> "Record":
    from provision.records import Record

    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    control = next((check for check in proof.checks if check.name == "control"), None)
    tried = control is not None and control.status is Status.PASS
    return Record(
        tool=__version__,
        host=key_now(),
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
        proof=f"sha256:{hashlib.sha256(encode(proof).encode()).hexdigest()}",
    )
