"""Where records are kept: one file for each host and image, the newest verification in it, in its signed envelope."""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from provision.errors import InputError
from provision.files import read_file, state_home, writable_by_all
from provision.model import Check, Value, decode, encode
from provision.records import attest, statement
from provision.records.record import Record

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

LIMIT: Final = 1 << 20  # bytes; a record has about 4000


class Kept(Value):
    """What a file of records holds; `record` tells what is in it, and not yet whether that is to be trusted."""

    envelope: attest.Envelope
    record: Record


class Refused(Value):
    """A file that is no record."""

    why: str
    code: str = "KGE-588"


class _Old(Value):
    """What tells a record of an earlier version, sealed with a key that many nodes shared."""

    schema: str = ""
    digest: str = ""


def seal(record: Record, signer: "Ed25519PrivateKey", checks: Iterable[Check] = ()) -> Kept:
    """Return a record in its signed envelope.

    Args:
        record: what is to be kept.
        signer: the private key.
        checks: of the proof, which the statement names.
    """
    return Kept(envelope=attest.sign(attest.IN_TOTO, statement.statement(record, checks), signer), record=record)


def trusted(kept: Kept | Refused, image: str, keys: "Iterable[Ed25519PublicKey]") -> Record:
    """Return the record about an image, or an environment by its title, that one of the keys has signed.

    Raises:
        attest.UntrustedError: with the reason.
    """
    if isinstance(kept, Refused):
        raise attest.UntrustedError(kept.why)
    payload = attest.verify(kept.envelope, attest.IN_TOTO, keys)
    try:
        record = statement.read(payload)
    except ValueError as error:
        raise attest.UntrustedError(str(error)) from error
    if record.image != image:
        raise attest.UntrustedError(f"it is about {record.image}: its file was copied")
    return record


def state_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of the records: `kgpu-env/proofs` in XDG_STATE_HOME, else in ~/.local/state."""
    return state_home(environment) / "proofs"


def place(folder: Path, node: str, image: str) -> Path:
    """Return the file of the record about an image on a host."""
    return folder / f"{hashlib.sha256(f'{node} {image}'.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}.json"


def save(folder: Path, kept: Kept) -> Path:
    """Write a record's envelope whole or not at all; return its file.

    Raises:
        InputError: KGE-589, the folder cannot be written.
    """
    path = place(folder, kept.record.host.node, kept.record.image)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, prefix=".record.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(encode(kept.envelope) + "\n")
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(
            "KGE-589",
            f"The record of this proof cannot be kept in {folder}.",
            cause=error.strerror or str(error),
            fix="set XDG_STATE_HOME to a folder that can be written",
        ) from error
    return path


def load(folder: Path, node: str, image: str) -> Kept | Refused | None:
    """Return what is kept about an image, why its file is no record, or None when there is none."""
    return _read(place(folder, node, image))


def every(folder: Path) -> dict[Path, Kept | Refused]:
    """Return each file of the folder with what is in it."""
    found = {path: _read(path) for path in sorted(folder.glob("*.json"))}
    return {path: one for path, one in found.items() if one}


def load_last(folder: Path, node: str) -> Kept | Refused | None:
    """Return what was kept last about an image on this host, why its file is no record, or None."""
    files = sorted(folder.glob("*.json"), key=_written, reverse=True)
    for path in files:
        found = _read(path)
        if isinstance(found, Refused):
            return found
        if found and found.record.host.node == node and not found.record.environment:
            return found
    return None


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # removed in between
        return 0.0


def _read(path: Path) -> Kept | Refused | None:
    try:
        content = read_file(path, LIMIT)
    except FileNotFoundError:
        return None
    except OSError as error:
        return Refused(why=f"{path} cannot be read: {error.strerror}")
    if writable_by_all(path.parent):
        return Refused(why=f"everybody may write into {path.parent} (chmod o-w), and so forge it")
    try:
        envelope = decode(content, attest.Envelope)
        return Kept(envelope=envelope, record=statement.read(attest.contents(envelope)))
    except ValueError as error:
        return _old(path, content) or Refused(why=f"{path} is no record: {error}")


def _old(path: Path, content: bytes) -> Refused | None:
    try:
        found = decode(content, _Old)
    except ValueError:
        return None
    if found.schema != "kgpu-env/record/1" or not found.digest:
        return None
    why = f"{path} is of an earlier version, sealed with a key that could forge it for every node"
    return Refused(why=why, code="KGE-597")
