"""The id and digests of an image, asked of a local engine's socket without the SDK, whose import takes longer."""

import http.client
import socket
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote

from provision.model.base import parse_json

UNIX = "unix://"
SECONDS = 2.0
LIMIT = 4 << 20  # bytes; a description has a few thousand


class LocalImage(NamedTuple):
    """What an engine knows an image by."""

    image_id: str
    digests: tuple[str, ...]  # "registry.example/team/keras@sha256:...", of the registries it came from or went to


class _Socket(http.client.HTTPConnection):
    """HTTP over a socket of the file system."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the path; called by `http.client`."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(SECONDS)
        self.sock.connect(self._path)


def probe_image(reference: str, addresses: Iterable[str]) -> LocalImage | None:
    """Return what the engine knows a local image by, or None when it has no such image.

    Args:
        reference: the image's name, or its id.
        addresses: where an engine may listen, from `connection.candidates`; the first that answers is asked.

    Raises:
        OSError: no engine answers on a local socket.
    """
    problem = OSError("no engine on a local socket")
    for address in addresses:
        if not address.startswith(UNIX):
            continue
        try:
            return _ask(address.removeprefix(UNIX), reference)
        except (OSError, http.client.HTTPException, ValueError) as error:
            problem = OSError(f"{address}: {error}")
    raise problem


def _ask(path: str, reference: str) -> LocalImage | None:
    connection = _Socket(path)
    try:
        connection.request("GET", f"/images/{quote(reference, safe='/:@')}/json")
        answer = connection.getresponse()
        body = answer.read(LIMIT)
    finally:
        connection.close()
    if answer.status == http.client.NOT_FOUND:
        return None
    if answer.status != http.client.OK:
        raise ValueError(f"status {answer.status}")
    return described(body)


def described(body: bytes) -> LocalImage:
    """Return what an answer to /images/NAME/json tells.

    Raises:
        ValueError, http.client.HTTPException: it describes no image.
    """
    found = parse_json(body)
    if not isinstance(found, dict) or not isinstance(found.get("Id"), str):
        raise http.client.HTTPException("an answer that describes no image")
    digests = found.get("RepoDigests")
    return LocalImage(found["Id"], tuple(map(str, digests if isinstance(digests, list) else ())))
