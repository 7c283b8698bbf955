"""What is attached to an image in its registry: OCI artifacts whose manifest names the image as its subject.

Source: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers. A registry that does
not say that it heeded the subject has no list of referrers: its list is then the tag sha256-DIGEST, as the
specification has it.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol
from urllib.parse import urljoin, urlsplit

from provision.errors import BuildError
from provision.model.base import Value, parse_json
from provision.model.reference import Reference
from provision.registry.address import api_root
from provision.registry.client import Response
from provision.registry.token import token_request

_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_INDEX: Final = "application/vnd.oci.image.index.v1+json"
_EMPTY: Final = "application/vnd.oci.empty.v1+json"
_ACCEPT: Final = ", ".join(
    (
        *(_MANIFEST, _INDEX),
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)
_OK, _CREATED, _ACCEPTED, _UNAUTHORIZED, _NOT_FOUND = 200, 201, 202, 401, 404
_MOST: Final = 200  # entries of a list that is kept as a tag


class Send(Protocol):
    """Sends a request. Raises OSError with the reason when nothing answers."""

    def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Return the answer."""


class Artifact(Value):
    """A document about an image."""

    media_type: str
    content: bytes
    name: str


def attach(
    reference: Reference, artifacts: tuple[Artifact, ...], send: Send, credentials: Callable[[str], str | None]
) -> tuple[str, ...]:
    """Attach documents to an image that is in its registry, and return the digests of their manifests.

    Args:
        reference: the image, by its digest.
        artifacts: the documents.
        send: sends a request.
        credentials: as of `read_image`.

    Raises:
        BuildError: KGE-224, the registry does not answer, refuses, or answers with other bytes than were asked for.
    """
    writer = _Writer(reference, send, credentials)
    subject = writer.subject()
    return tuple(writer.attach(subject, one) for one in artifacts)


class _Writer:
    """The requests for one image; they share a token."""

    def __init__(self, reference: Reference, send: Send, credentials: Callable[[str], str | None]) -> None:
        self._reference, self._send, self._credentials = reference, send, credentials
        self._root = f"{api_root(reference.registry)}/{reference.repository}"
        self._authorization: dict[str, str] = {}

    def subject(self) -> dict[str, Any]:
        """Return the descriptor of the image."""
        answer = self._ask("GET", f"{self._root}/manifests/{self._reference.digest}", {"Accept": _ACCEPT})
        self._expect(answer, _OK)
        if _digest(answer.body) != self._reference.digest:
            raise self._failed(f"its manifest is not {self._reference.digest}")
        kind = str(_object(answer.body).get("mediaType") or _MANIFEST)
        return {"mediaType": kind, "digest": self._reference.digest, "size": len(answer.body)}

    def attach(self, subject: Mapping[str, Any], one: Artifact) -> str:
        """Attach one document, and return its manifest's digest."""
        layer = self._blob(one.content) | {"mediaType": one.media_type}
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "artifactType": one.media_type,
            "config": self._blob(b"{}") | {"mediaType": _EMPTY},
            "layers": [layer | {"annotations": {"org.opencontainers.image.title": one.name}}],
            "subject": dict(subject),
        }
        body = _bytes(manifest)
        answer = self._put(_digest(body), body, _MANIFEST)
        if "oci-subject" not in answer.headers:
            self._list(subject, {"mediaType": _MANIFEST, "digest": _digest(body), "size": len(body)}, one.media_type)
        return _digest(body)

    def _blob(self, content: bytes) -> dict[str, Any]:
        start = self._ask("POST", f"{self._root}/blobs/uploads/", {})
        self._expect(start, _ACCEPTED)
        place = urljoin(f"{self._root}/blobs/uploads/", start.headers.get("location", ""))
        if urlsplit(place).netloc != urlsplit(self._root).netloc:
            raise self._failed(f"it sends the upload to another host, {urlsplit(place).netloc}")
        mark = "&" if urlsplit(place).query else "?"
        headers = {"Content-Type": "application/octet-stream"}
        self._expect(self._ask("PUT", f"{place}{mark}digest={_digest(content)}", headers, content), _CREATED)
        return {"digest": _digest(content), "size": len(content)}

    def _list(self, subject: Mapping[str, Any], entry: dict[str, Any], kind: str) -> None:
        """Add an entry to the list of a registry that keeps none itself."""
        tag = str(subject["digest"]).replace(":", "-")
        answer = self._ask("GET", f"{self._root}/manifests/{tag}", {"Accept": _INDEX})
        if answer.status != _NOT_FOUND:
            self._expect(answer, _OK)
        listed = _object(answer.body).get("manifests") if answer.status == _OK else []
        if not isinstance(listed, list) or len(listed) >= _MOST:
            raise self._failed(f"the tag {tag} is no list of what is attached")
        others = [one for one in listed if not isinstance(one, dict) or one.get("digest") != entry["digest"]]
        index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [*others, entry | {"artifactType": kind}]}
        self._put(tag, _bytes(index), _INDEX)

    def _put(self, name: str, body: bytes, kind: str) -> Response:
        answer = self._ask("PUT", f"{self._root}/manifests/{name}", {"Content-Type": kind}, body)
        self._expect(answer, _CREATED)
        return answer

    def _ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Response:
        try:
            answer = self._send(method, url, {**headers, **self._authorization}, body)
            challenge = answer.headers.get("www-authenticate", "")
            if answer.status == _UNAUTHORIZED and challenge and not self._authorization:
                self._authorization = self._authorize(challenge)
                answer = self._send(method, url, {**headers, **self._authorization}, body)
        except OSError as error:
            raise self._failed(str(error)) from error
        return answer

    def _authorize(self, challenge: str) -> dict[str, str]:
        basic = self._credentials(self._reference.registry)
        login = {"Authorization": f"Basic {basic}"} if basic else {}
        url = token_request(challenge, f"repository:{self._reference.repository}:pull,push")
        if url is None:
            return login
        found = _object(self._send("GET", url, login, b"").body)
        token = found.get("token") or found.get("access_token")
        return {"Authorization": f"Bearer {token}"} if isinstance(token, str) else {}

    def _expect(self, answer: Response, status: int) -> None:
        if answer.status != status:
            words = answer.body[:400].decode("utf-8", "replace").strip()
            raise self._failed(f"HTTP {answer.status} {words}".strip())

    def _failed(self, why: str) -> BuildError:
        name = f"{self._reference.name}@{self._reference.digest}"
        what = f"The image was pushed, and nothing can be attached to {name}."
        fix = "may this login write more than one tag? The files that were written tell the same"
        return BuildError("KGE-224", what, cause=why, fix=fix)


def _bytes(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = parse_json(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
