"""What a local engine knows of its images, asked of its socket without the SDK, whose import takes longer."""

import http.client
import socket
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar
from urllib.parse import quote

from provision.model.base import parse_json

UNIX = "unix://"
SECONDS = 2.0
LIMIT = 4 << 20  # bytes; a description has a few thousand
Read = TypeVar("Read")


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
    return _asked(f"/images/{quote(reference, safe='/:@')}/json", addresses, described)


def image_names(addresses: Iterable[str]) -> list[str]:
    """Return the names of the images that the engine has.

    Args:
        addresses: as of `probe_image`.

    Raises:
        OSError: no engine answers on a local socket.
    """
    return _asked("/images/json", addresses, named) or []


def _asked(path: str, addresses: Iterable[str], read: Callable[[bytes], Read]) -> Read | None:
    """Return the answer of the first engine that has one; None: what is asked for is not there."""
    problem = OSError("no engine on a local socket")
    for address in addresses:
        if not address.startswith(UNIX):
            continue
        try:
            body = _get(address.removeprefix(UNIX), path)
            return None if body is None else read(body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            problem = OSError(f"{address}: {error}")
    raise problem


def _get(place: str, path: str) -> bytes | None:
    connection = _Socket(place)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read(LIMIT)
    finally:
        connection.close()
    if answer.status == http.client.NOT_FOUND:
        return None
    if answer.status != http.client.OK:
        raise ValueError(f"status {answer.status}")
    return body


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


def named(body: bytes) -> list[str]:
    """Return the names in an answer to /images/json.

    Raises:
        ValueError: it is no list of images.
    """
    found = parse_json(body)
    if not isinstance(found, list):
        raise ValueError("an answer that lists no images")  # noqa: TRY004 - it is the answer that is wrong
    tags = [one.get("RepoTags") for one in found if isinstance(one, dict)]
    return [str(tag) for some in tags if isinstance(some, list) for tag in some]
