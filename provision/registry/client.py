"""The Docker Registry HTTP API v2, as far as an image's configuration needs it: manifest, then config blob."""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from provision.errors import BuildError
from provision.model import MACHINES
from provision.model.base import Value, parse_json
from provision.model.reference import Reference
from provision.registry.address import api_root
from provision.registry.token import token_request

_DIGEST = r"sha256:[0-9a-f]{64}"  # it becomes part of an address
_LIMIT = 4 * 1024 * 1024  # no manifest or configuration is larger; a layer would be
_INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
_ACCEPT = ", ".join((*_MANIFESTS, *_INDEXES))
_NAMES = {machine: name for name, machine in MACHINES.items()}
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _OK = 401, 403, 404, 200


class Response(NamedTuple):
    """What a registry answered."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


class Get(Protocol):
    """Fetches a URL, following redirects; reads `limit` bytes of the body at most.

    Raises OSError with the reason when nothing answers.
    """

    def __call__(self, url: str, headers: Mapping[str, str], limit: int) -> Response:
        """Return the answer."""


class RemoteImage(Value):
    """An image as its registry describes it."""

    digest: str  # of the manifest for the machine
    config: str  # of its configuration, by which an engine without containerd's image store calls it
    architecture: str
    env: dict[str, str] = msgspec.field(default_factory=dict)
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    bytes_read: int = 0


class _Session:
    """The requests for one image: they share a token, and their bytes are counted."""

    def __init__(self, reference: Reference, get: Get, credentials: Callable[[str], str | None]) -> None:
        self.reference = reference
        self.bytes_read = 0
        self._get = get
        self._credentials = credentials
        self._authorization: dict[str, str] = {}

    def fetch(self, path: str, accept: str) -> Response:
        """Return the answer for a path of the repository, after asking for a token where one is wanted."""
        url = f"{api_root(self.reference.registry)}/{self.reference.repository}/{path}"
        answer = self._ask(url, {"Accept": accept, **self._authorization})
        challenge = answer.headers.get("www-authenticate", "")
        if answer.status == _UNAUTHORIZED and challenge and not self._authorization:
            self._authorization = self._authorize(challenge)
            answer = self._ask(url, {"Accept": accept, **self._authorization})
        if answer.status != _OK:
            raise _refused(self.reference, answer)
        return answer

    def _authorize(self, challenge: str) -> dict[str, str]:
        basic = self._credentials(self.reference.registry)
        login = {"Authorization": f"Basic {basic}"} if basic else {}
        url = token_request(challenge, f"repository:{self.reference.repository}:pull")
        if url is None:
            return login
        answer = self._ask(url, login)
        found = _json(self.reference, answer.body) if answer.status == _OK else {}
        token = found.get("token") or found.get("access_token")
        if not isinstance(token, str):
            raise _refused(self.reference, answer)
        return {"Authorization": f"Bearer {token}"}

    def _ask(self, url: str, headers: Mapping[str, str]) -> Response:
        try:
            answer = self._get(url, headers, _LIMIT)
        except OSError as error:
            raise BuildError(
                "KGE-421",
                f"The registry {self.reference.registry} does not answer.",
                cause=str(error),
                fix="check the name and the network, or name a mirror (registries in kgpu-env.yaml)",
            ) from error
        self.bytes_read += len(answer.body)
        return answer


def read_image(
    reference: Reference, machine: str, get: Get, credentials: Callable[[str], str | None] = lambda _: None
) -> RemoteImage:
    """Return an image's configuration for `machine`; no layer is read.

    Args:
        reference: the image.
        machine: the kernel's name of the processor, "x86_64"; chooses among the images of an index.
        get: fetches a URL.
        credentials: returns base64 of "user:password" for a registry's host, or None.

    Raises:
        BuildError: KGE-421, the registry does not answer; KGE-422, it refuses or does not have the image;
            KGE-423, its answer is no image's.
    """
    session = _Session(reference, get, credentials)
    version = reference.version
    manifest, digest = _manifest(session, version)
    if "manifests" in manifest:
        version = _for_machine(reference, manifest, _NAMES.get(machine, machine))
        manifest, digest = _manifest(session, version)
    wanted = _text(reference, manifest.get("config"), "digest")
    blob = session.fetch(f"blobs/{wanted}", "*/*").body
    _check(reference, blob, wanted)
    config = _json(reference, blob)
    inner = _object(reference, config.get("config") or {}, "config")
    labels = _object(reference, inner.get("Labels") or {}, "Labels")
    return RemoteImage(
        digest=digest,
        config=wanted,
        architecture=str(config.get("architecture") or ""),
        env=dict(_pairs(inner.get("Env"))),
        labels={str(key): str(value) for key, value in labels.items()},
        bytes_read=session.bytes_read,
    )


def _manifest(session: _Session, version: str) -> tuple[dict[str, Any], str]:
    body = session.fetch(f"manifests/{version}", _ACCEPT).body
    if version.startswith("sha256:"):
        _check(session.reference, body, version)
    return _json(session.reference, body), f"sha256:{hashlib.sha256(body).hexdigest()}"


def _for_machine(reference: Reference, index: dict[str, Any], machine: str) -> str:
    listed = index["manifests"]
    if not isinstance(listed, list):
        raise _strange(reference, f"{type(listed).__name__} in place of the list of manifests")
    found = [_object(reference, one, "manifest") for one in listed]
    platforms = [_object(reference, one.get("platform") or {}, "platform") for one in found]
    for one, platform in zip(found, platforms, strict=True):
        if platform.get("os") == "linux" and platform.get("architecture") == machine:
            return _text(reference, one, "digest")
    has = sorted({str(platform.get("architecture")) for platform in platforms})
    raise BuildError(
        "KGE-422",
        f"{reference.repository}:{reference.version} has no image for {machine}.",
        cause=f"it has {', '.join(has) or 'none'}",
    )


def _pairs(words: object) -> list[tuple[str, str]]:
    if not isinstance(words, list):
        return []
    return [(name, value) for name, _, value in (str(word).partition("=") for word in words)]


def _text(reference: Reference, holder: object, key: str) -> str:
    value = holder.get(key) if isinstance(holder, dict) else None
    if not isinstance(value, str) or (key == "digest" and not re.fullmatch(_DIGEST, value)):
        raise _strange(reference, f"no {key} where an image's manifest has one")
    return value


def _json(reference: Reference, body: bytes) -> dict[str, Any]:
    try:
        found = parse_json(body)
    except ValueError as error:
        raise _strange(reference, str(error)) from error
    return _object(reference, found, "answer")


def _object(reference: Reference, found: object, name: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise _strange(reference, f"JSON, but {type(found).__name__} in place of an object: {name}")
    return found


def _check(reference: Reference, body: bytes, digest: str) -> None:
    if f"sha256:{hashlib.sha256(body).hexdigest()}" != digest:
        raise _strange(reference, f"{len(body)} bytes that are not {digest}")


def _strange(reference: Reference, why: str) -> BuildError:
    fix = "is it a registry? its /v2/ must speak the Docker Registry HTTP API"
    return BuildError("KGE-423", f"The answer of {reference.registry} is not understood.", cause=why, fix=fix)


def _refused(reference: Reference, answer: Response) -> BuildError:
    words = answer.body[:400].decode("utf-8", "replace").strip()
    name = f"{reference.repository}:{reference.version}"
    fix = {
        _NOT_FOUND: "check name and tag: the registry answers, but does not have it",
        _UNAUTHORIZED: "check the name, or log in: docker login REGISTRY",
        _FORBIDDEN: "check the name, or log in: docker login REGISTRY",
    }.get(answer.status, "")
    what = f"The registry {reference.registry} does not give {name}."
    return BuildError("KGE-422", what, cause=f"HTTP {answer.status} {words}".strip(), fix=fix)
