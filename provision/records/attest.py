"""Signed statements: a payload with its type in a DSSE envelope, signed with Ed25519. Of proofs, and of whatever else.

Format: https://github.com/secure-systems-lab/dsse (protocol and envelope, version 1.0). What is signed is the payload's
bytes with their type, so no canonical form of JSON is needed. The libraries are imported when they are first used.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from provision.model import Value

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from securesystemslib.signer import SSlibKey

IN_TOTO: Final = "application/vnd.in-toto+json"  # the payload type of every in-toto statement
MOST: Final = 8  # signatures of one envelope


class Signature(Value):
    """One signature over payload and type."""

    keyid: str
    sig: str  # base64


class Envelope(Value):
    """A DSSE envelope, as it is written."""

    payload: str  # base64
    payloadType: str  # noqa: N815 - the format's own name
    signatures: Annotated[tuple[Signature, ...], msgspec.Meta(max_length=MOST)]


class UntrustedError(ValueError):
    """An envelope that proves nothing; the text says why."""


def key_id(key: "Ed25519PublicKey") -> str:
    """Return the name of a key: a SHA-256 over it, as securesystemslib makes it."""
    return _public(key).keyid


def sign(payload_type: str, payload: bytes, signer: "Ed25519PrivateKey") -> Envelope:
    """Return a payload in an envelope with one signature.

    Args:
        payload_type: what the payload is, such as `IN_TOTO`.
        payload: the bytes to be signed.
        signer: the private key.
    """
    from securesystemslib import dsse  # noqa: PLC0415 - 45 ms
    from securesystemslib.signer import CryptoSigner  # noqa: PLC0415 - as above

    made = dsse.Envelope(payload, payload_type, {})
    made.sign(CryptoSigner(signer))
    return msgspec.convert(made.to_dict(), Envelope)


def verify(envelope: Envelope, payload_type: str, trusted: Iterable["Ed25519PublicKey"]) -> bytes:
    """Return the payload of an envelope that a trusted key has signed. Other signatures beside that one say nothing.

    Args:
        envelope: as it was read.
        payload_type: the only type that is taken; it is part of what was signed.
        trusted: the public keys; without one nothing is trusted.

    Raises:
        UntrustedError: with the reason.
    """
    from securesystemslib import dsse  # noqa: PLC0415 - 45 ms
    from securesystemslib.exceptions import Error  # noqa: PLC0415 - as above

    if envelope.payloadType != payload_type:
        raise UntrustedError(f"its payload is {envelope.payloadType or 'of no type'}, not {payload_type}")
    if not envelope.signatures:
        raise UntrustedError("it is not signed")
    keys = {key.keyid: key for key in map(_public, trusted)}
    signed = tuple(item.keyid for item in envelope.signatures)
    if not keys.keys() & set(signed):
        raise UntrustedError(f"it is signed by another key ({', '.join(one[:16] for one in signed)}...)")
    try:
        # Base64 and the numbers of the signatures are read here; whatever is wrong with them is a ValueError.
        found = dsse.Envelope.from_dict(msgspec.to_builtins(envelope))
        found.verify(list(keys.values()), 1)
    except (Error, ValueError) as error:
        raise UntrustedError("its signature is not that of its contents") from error
    return bytes(found.payload)


def contents(envelope: Envelope) -> bytes:
    """Return the payload, which nobody has checked.

    Raises:
        UntrustedError: it is not base64.
    """
    import base64  # noqa: PLC0415 - 1 ms

    try:
        return base64.b64decode(envelope.payload, validate=True)
    except ValueError as error:
        raise UntrustedError("its payload is not base64") from error


def _public(key: "Ed25519PublicKey") -> "SSlibKey":
    from securesystemslib.signer import SSlibKey  # noqa: PLC0415 - 45 ms

    return SSlibKey.from_crypto(key)
