"""The fingerprints of the primary keys in a public key file (RFC 4880 and 9580): what apt or dnf would trust."""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from typing import Final

_ARMOR: Final = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(.*?)-----END PGP PUBLIC KEY BLOCK-----", re.DOTALL
)
_PUBLIC_KEY: Final = 6  # the tag of a primary public key's packet
_V4: Final = 4
_ONE, _TWO = 192, 224  # RFC 4880, 4.2.2: where lengths of two and of partial octets begin


def fingerprints(data: bytes) -> tuple[str, ...]:
    """Return the fingerprint of each primary key in a file, armoured or not, as 40 upper-case hex digits.

    Raises:
        ValueError: no OpenPGP key file, or a key of another version than 4, which apt and rpm know.
    """
    found = tuple(_fingerprint(body) for tag, body in _packets(_binary(data)) if tag == _PUBLIC_KEY)
    if not found:
        raise ValueError("it holds no public key")
    return found


def armoured(data: bytes) -> bytes:
    """Return a key file as text, as apt wants what is named .asc."""
    if _ARMOR.search(data):
        return data
    body = base64.encodebytes(data)
    return b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n" + body + b"-----END PGP PUBLIC KEY BLOCK-----\n"


def _binary(data: bytes) -> bytes:
    blocks = [match[1] for match in _ARMOR.finditer(data)]
    if not blocks:
        return data
    try:
        return b"".join(base64.b64decode(_base64(block), validate=True) for block in blocks)
    except binascii.Error as error:
        raise ValueError(f"its armour is damaged: {error}") from error


def _base64(block: bytes) -> bytes:
    """Return the text of an armoured block without its headers and its checksum."""
    lines = [line.strip() for line in block.splitlines()]
    start = lines.index(b"") + 1 if b"" in lines else 0
    return b"".join(line for line in lines[start:] if not line.startswith(b"="))


def _fingerprint(body: bytes) -> str:
    if body[:1] != bytes([_V4]):
        raise ValueError(f"a key of version {body[0] if body else '?'}")
    return hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body).hexdigest().upper()  # noqa: S324 - by RFC 4880


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and body of each packet."""
    place = 0
    while place < len(data):
        head = data[place]
        if not head & 0x80:
            raise ValueError("it is no OpenPGP file")
        is_new = bool(head & 0x40)
        tag = head & 0x3F if is_new else (head >> 2) & 0x0F
        size, width = _new_length(data, place + 1) if is_new else _old_length(data, place + 1, head & 3)
        place += 1 + width
        body = data[place : place + size]
        if len(body) < size:
            raise ValueError("it ends within a packet")
        yield tag, body
        place += size


def _new_length(data: bytes, place: int) -> tuple[int, int]:
    first = data[place] if place < len(data) else 0
    if first < _ONE:
        return first, 1
    if first < _TWO:
        return ((first - _ONE) << 8) + int.from_bytes(data[place + 1 : place + 2], "big") + _ONE, 2
    if first == 0xFF:  # noqa: PLR2004 - RFC 4880, 4.2.2.3
        return int.from_bytes(data[place + 1 : place + 5], "big"), 5
    raise ValueError("a packet of unknown length")


def _old_length(data: bytes, place: int, kind: int) -> tuple[int, int]:
    if kind == 3:  # noqa: PLR2004 - RFC 4880, 4.2.1
        raise ValueError("a packet of unknown length")
    width = 1 << kind
    return int.from_bytes(data[place : place + width], "big"), width
