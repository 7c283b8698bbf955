"""The certificate authorities that this host trusts beside the public ones, for builds and for our own requests."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from provision.errors import InputError
from provision.files import read_file

# What openssl, curl, requests, pip and uv read, the most particular first.
BUNDLE_VARIABLES: Final = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
# All that the system trusts, by distribution: Debian, Fedora, SUSE, Alpine. Go looks at the same ones:
# https://go.dev/src/crypto/x509/root_linux.go (checked 2026-11-29)
SYSTEM_BUNDLES: Final = (
    "etc/ssl/certs/ca-certificates.crt",
    "etc/pki/tls/certs/ca-bundle.crt",
    "etc/ssl/ca-bundle.pem",
    "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "etc/ssl/cert.pem",
)
# What an administrator has added to it: update-ca-certificates(8), update-ca-trust(8), trust(1).
ADDED: Final = (
    "usr/local/share/ca-certificates",
    "etc/pki/ca-trust/source/anchors",
    "etc/pki/trust/anchors",
    "etc/ca-certificates/trust-source/anchors",
)
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----")
_DER_SEQUENCE = 0x30  # the first byte of every X.509 certificate


def certificates(path: Path) -> bytes:
    """Return the certificates of a PEM file, and only them: a private key beside them stays on the host.

    Raises:
        InputError: KGE-601, not readable or without a certificate.
    """
    try:
        found = _in_file(path)
    except OSError as error:
        raise _bad_bundle(path, error.strerror or str(error)) from error
    if not found:
        raise _bad_bundle(path, "it has no PEM certificate")
    return _joined(found)


def host_certificates(environment: Mapping[str, str], root: Path, configured: str | None = None) -> bytes | None:
    """Return the authorities that this host was told to trust, or None where it trusts the public ones alone.

    A stale variable is passed over: it is no reason to fail a build that may not need it.

    Args:
        environment: SSL_CERT_FILE and its like, SSL_CERT_DIR.
        root: of the file system.
        configured: the bundle that pip or uv is set to use.
    """
    named = [environment[name] for name in BUNDLE_VARIABLES if environment.get(name)]
    for place in filter(None, (*named, configured)):
        found = _usable(Path(place))
        if found:
            return _joined(found)
    folders = [Path(one) for one in environment.get("SSL_CERT_DIR", "").split(":") if one]
    found = [one for folder in folders for one in _in_folder(folder)]
    added = [one for folder in ADDED for one in _in_folder(root / folder)]
    if found or not added:
        return _joined([*dict.fromkeys(found)]) if found else None
    system = next(filter(None, (_usable(root / name) for name in SYSTEM_BUNDLES)), [])
    return _joined([*dict.fromkeys([*system, *added])])


def trusted_bundle(asked: str | None, environment: Mapping[str, str]) -> str | None:
    """Return the file of the authorities that this process's own requests trust; None: those of its libraries."""
    variables = (environment.get(name) for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"))
    return next(filter(None, (asked, *variables, system_bundle())), None)


def system_bundle(root: Path = Path("/")) -> str | None:
    """Return the path of all that this system trusts: the libraries' own list lacks what was added."""
    return next((str(root / name) for name in SYSTEM_BUNDLES if (root / name).is_file()), None)


def _in_folder(folder: Path) -> Iterator[str]:
    try:
        files = sorted(path for path in folder.rglob("*") if path.suffix in {".crt", ".pem", ".cer", ".0"})
    except OSError:
        return
    for path in files:
        yield from _usable(path)


def _usable(path: Path) -> list[str]:
    try:
        return _in_file(path)
    except OSError:
        return []


def _in_file(path: Path) -> list[str]:
    text = read_file(path).decode("latin-1")  # comments may be in any encoding, PEM itself is ASCII
    return [match.group(0) for match in _CERTIFICATE.finditer(text) if _is_certificate(match.group(1))]


def _is_certificate(body: str) -> bool:
    try:
        der = base64.b64decode("".join(body.split()), validate=True)
    except binascii.Error:
        return False
    return der[:1] == bytes([_DER_SEQUENCE])


def _joined(found: list[str]) -> bytes:
    return ("\n".join(found) + "\n").encode("ascii")


def _bad_bundle(path: Path, why: str) -> InputError:
    return InputError(
        "KGE-601",
        f"the CA bundle {path} cannot be used",
        cause=why,
        fix="name a PEM file with your company's certificates: --ca-bundle FILE",
    )
