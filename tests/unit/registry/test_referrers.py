"""What is attached to an image, against registries in memory: one that lists referrers, and one that does not."""

import hashlib
import json
from collections.abc import Mapping

import pytest

from provision.errors import BuildError
from provision.model.reference import parse_reference
from provision.registry import Artifact, attach
from provision.registry.client import Response

IMAGE = b'{"mediaType":"application/vnd.oci.image.manifest.v1+json"}'
ROOT = "https://registry.example/v2/team/image"


def digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


class Registry:
    """Keeps what it gets; behind a token where `token` is set."""

    def __init__(self, *, lists: bool, token: str = "", elsewhere: str = "") -> None:
        self.manifests = {digest(IMAGE): IMAGE}
        self.blobs: dict[str, bytes] = {}
        self.lists, self.token, self.elsewhere = lists, token, elsewhere

    def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        if url.startswith("https://auth.example/"):
            assert url.endswith("scope=repository:team/image:pull,push")
            return Response(200, {}, json.dumps({"token": self.token}).encode())
        if self.token and headers.get("Authorization") != f"Bearer {self.token}":
            return Response(401, {"www-authenticate": 'Bearer realm="https://auth.example/t"'}, b"")
        kind, _, name = url.removeprefix(f"{ROOT}/").partition("/")
        if method == "POST":
            return Response(202, {"location": f"{self.elsewhere}/v2/team/image/blobs/uploads/7?state=x"}, b"")
        if method == "GET":
            found = self.manifests.get(name)
            return Response(404, {}, b"none") if found is None else Response(200, {}, found)
        if kind == "blobs":
            assert url.startswith(f"{ROOT}/blobs/uploads/7?state=x&digest={digest(body)}")
            self.blobs[digest(body)] = body
            return Response(201, {}, b"")
        self.manifests[name] = body
        subject = json.loads(body).get("subject")
        return Response(201, {"oci-subject": subject["digest"]} if subject and self.lists else {}, b"")


def give(registry: Registry, *contents: bytes) -> tuple[str, ...]:
    reference = parse_reference(f"registry.example/team/image@{digest(IMAGE)}")
    artifacts = tuple(Artifact(media_type="application/x", content=one, name="x.json") for one in contents)
    return attach(reference, artifacts, registry, lambda _: None)


def test_the_image_is_the_subject() -> None:
    registry = Registry(lists=True, token="abc")
    [made] = give(registry, b"bill")
    manifest = json.loads(registry.manifests[made])
    assert manifest["subject"] == {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest(IMAGE),
        "size": len(IMAGE),
    }
    assert (manifest["artifactType"], registry.blobs[manifest["layers"][0]["digest"]]) == ("application/x", b"bill")
    assert digest(IMAGE).replace(":", "-") not in registry.manifests


def test_a_registry_without_a_list_gets_a_tag() -> None:
    registry = Registry(lists=False)
    made = give(registry, b"bill", b"statement")
    assert give(registry, b"bill") == made[:1]  # the same again is no second entry
    index = json.loads(registry.manifests[digest(IMAGE).replace(":", "-")])
    assert sorted(one["digest"] for one in index["manifests"]) == sorted(made)
    assert {one["artifactType"] for one in index["manifests"]} == {"application/x"}


def refused(registry: Registry) -> str:
    with pytest.raises(BuildError) as caught:
        give(registry, b"bill")
    assert caught.value.code == "KGE-224"
    return caught.value.cause


def test_other_bytes_than_were_asked_for() -> None:
    registry = Registry(lists=True)
    registry.manifests[digest(IMAGE)] = b"{}"
    assert "is not sha256:" in refused(registry)


def test_an_upload_is_not_sent_to_another_host() -> None:
    assert "elsewhere.example" in refused(Registry(lists=True, elsewhere="https://elsewhere.example"))


def test_a_tag_that_is_something_else_is_kept() -> None:
    registry = Registry(lists=False)
    tag = digest(IMAGE).replace(":", "-")
    registry.manifests[tag] = b'{"manifests": 5}'
    assert tag in refused(registry)
    assert registry.manifests[tag] == b'{"manifests": 5}'


def test_an_image_that_is_not_there() -> None:
    registry = Registry(lists=True)
    registry.manifests.clear()
    assert "404" in refused(registry)
