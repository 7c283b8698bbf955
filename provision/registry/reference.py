"""Image references as registries read them."""

import ipaddress
import re
from typing import NamedTuple

from provision.errors import UsageError

# As in distribution/reference: host, path components, tag, digest. Text: compiled when an image is named.
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = (
    rf"(?:(?P<host>{_HOST})/)?(?P<path>{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_HUB = "registry-1.docker.io"


class Reference(NamedTuple):
    """Where an image is: the registry's host, the repository there, and a tag or digest."""

    host: str  # with the port, if any
    repository: str
    version: str  # a tag, or "sha256:..."

    @property
    def registry(self) -> str:
        """The root of the registry's API; loopback is spoken to without TLS, as engines do."""
        return f"{'http' if is_loopback(self.host) else 'https'}://{self.host}/v2"


def parse_reference(text: str) -> Reference:
    """Return the parts of "nvidia/cuda:12.6.3-base-ubuntu24.04" or "localhost:5000/x@sha256:...".

    Raises:
        UsageError: KGE-903, the text cannot name an image.
    """
    match = re.fullmatch(_REFERENCE, text, flags=re.ASCII)
    if match is None:
        raise UsageError(
            "KGE-903",
            f"{text!r} is no image reference.",
            fix="give NAME, NAME:TAG or HOST:PORT/NAME:TAG, the name in lower case",
        )
    host, path = match["host"], match["path"]
    if host and not _is_host(host):
        host, path = None, f"{host}/{path}"
    if host in {None, "docker.io", "index.docker.io"}:
        host, path = _HUB, path if "/" in path else f"library/{path}"
    return Reference(host or _HUB, path, match["digest"] or match["tag"] or "latest")


def _is_host(word: str) -> bool:
    return word == "localhost" or "." in word or ":" in word


def is_loopback(host: str) -> bool:
    """Tell whether a host, with or without port, is this machine by its loopback address."""
    name = re.sub(r":[0-9]+$", "", host).strip("[]")
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
