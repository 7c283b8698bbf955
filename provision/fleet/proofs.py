"""The proofs of a fleet: records that its nodes signed, gathered in one folder."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from provision.errors import InputError
from provision.files import read_file
from provision.model import Host, decode
from provision.records import attest, host_key, statement
from provision.records.record import Record
from provision.records.store import LIMIT

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_PROVED: Final = "proved"


class Proofs(Struct, frozen=True):
    """Records by node.

    Attributes:
        newest: of each node the newest record that a trusted key signed.
        refused: of each node why a record of it is not trusted.
        warnings: files that are no records.
    """

    newest: Mapping[str, Record]
    refused: Mapping[str, str]
    warnings: tuple[str, ...] = ()

    def of(self, node: str) -> tuple[Record | None, str]:
        """Return a node's newest record, and why another one is refused; by its name, or the name before the dot."""
        for name in (node, node.partition(".")[0]):
            if name in self.newest or name in self.refused:
                return self.newest.get(name), self.refused.get(name, "")
        return None, ""


def read_proofs(folder: Path, keys: "Iterable[Ed25519PublicKey]") -> Proofs:
    """Return the records below a folder, whatever its files are called.

    Args:
        folder: signed envelopes, `*.json`, also in folders below.
        keys: one of them must have signed a record for it to count.

    Raises:
        InputError: KGE-941, there is no such folder.
    """
    if not folder.is_dir():
        fix = "gather the nodes' folders ~/.local/state/kgpu-env/proofs in one"
        raise InputError("KGE-941", f"{folder} is no folder of records.", fix=fix)
    newest: dict[str, Record] = {}
    refused: dict[str, str] = {}
    warnings: list[str] = []
    trusted = tuple(keys)
    for path in sorted(folder.rglob("*.json")):
        try:
            envelope = decode(read_file(path, LIMIT), attest.Envelope)
            record = statement.read(attest.contents(envelope))
        except (OSError, ValueError) as error:
            warnings.append(f"{path.name!a} is no record, and is left out: {error}")
            continue
        node = record.host.node
        try:
            record = statement.read(attest.verify(envelope, attest.IN_TOTO, trusted))
        except (attest.UntrustedError, ValueError) as error:
            refused[node] = str(error)
            continue
        if not record.environment and (node not in newest or record.at > newest[node].at):
            newest[node] = record
    return Proofs(newest, refused, tuple(warnings))


def changed(record: Record, host: Host) -> tuple[str, ...]:
    """Return what of a node is not as it was when it was proved, as far as its host file tells.

    The kernel, the drivers and the number of usable GPUs are compared: a host file may name GPUs by other tools than
    the record. The node's own gate compares all, the image's id included.
    """
    then, now = record.host, host_key(host, record.host.node)
    parts = (
        ("kernel", then.kernel, now.kernel),
        ("driver", ", ".join(then.drivers), ", ".join(now.drivers)),
        ("GPUs", str(len(then.gpus)), str(len(now.gpus))),
    )
    return tuple(f"{name}: {old or 'none'} -> {new or 'none'}" for name, old, new in parts if old != new)


def is_proof(record: Record) -> bool:
    """Tell whether the verification ended with a proof."""
    return record.verdict == _PROVED
