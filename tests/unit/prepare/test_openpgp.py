"""Fingerprints as gpg tells them, and files that are no keys."""

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from provision.prepare.openpgp import armoured, fingerprints

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@pytest.mark.process
@pytest.mark.skipif(not shutil.which("gpg") or not KEYRING.exists(), reason="no gpg, or no keyring to read with it")
def test_as_gpg_reads_them() -> None:
    command = ["gpg", "--show-keys", "--with-colons", str(KEYRING)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    kinds = [line.split(":") for line in lines]
    after = [kinds[number:] for number, row in enumerate(kinds) if row[0] == "pub"]
    primary = [next(row[9] for row in rows if row[0] == "fpr") for rows in after]
    assert sorted(fingerprints(KEYRING.read_bytes())) == sorted(primary)
    assert fingerprints(armoured(KEYRING.read_bytes())) == fingerprints(KEYRING.read_bytes())


def key(*body: int, tag: int = 6) -> bytes:
    return bytes([0xC0 | tag, len(body), *body])


def test_every_primary_key_of_a_file_is_told_and_no_subkey() -> None:
    data = key(4, 1) + key(4, 2, tag=14) + key(9, tag=13) + key(4, 3)
    assert len(fingerprints(data)) == 2
    assert fingerprints(armoured(data)) == fingerprints(data)
    assert armoured(armoured(data)) == armoured(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>",
        key(9, tag=13),
        key(3, 1),
        key(4, 1)[:-1],
        bytes([0xFF, 224]),
        bytes([0x9B, 4]),
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n*\n-----END PGP PUBLIC KEY BLOCK-----",
        base64.b64encode(key(4, 1)),
    ],
)
def test_what_is_no_key_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        fingerprints(data)
