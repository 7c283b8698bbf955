"""The registry client against a registry in memory that counts and checks what it is asked."""

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from provision.engine.logins import Login, stored_login
from provision.errors import BuildError
from provision.model.reference import parse_reference
from provision.registry import read_image
from provision.registry.client import Response
from provision.registry.token import token_request

INDEX = "application/vnd.oci.image.index.v1+json"


def digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


class Registry:
    """A registry with one image for two machines, behind a token where `token` is set."""

    def __init__(self, env: list[str], *, token: str = "", layer: bool = True) -> None:
        self.asked: list[str] = []
        self.token = token
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        entries = []
        for machine in ("arm64", "amd64"):
            config = {"architecture": machine, "config": {"Env": [*env, f"MACHINE={machine}"], "Labels": {"a": "b"}}}
            blob = json.dumps(config).encode()
            self.blobs[digest(blob)] = blob
            manifest = {"config": {"digest": digest(blob)}, "layers": [{"digest": "sha256:" + "0" * 64}] * layer}
            body = json.dumps(manifest).encode()
            self.manifests[digest(body)] = body
            entries.append({"digest": digest(body), "platform": {"os": "linux", "architecture": machine}})
        self.manifests["1"] = json.dumps({"mediaType": INDEX, "manifests": entries}).encode()

    def __call__(self, url: str, headers: Mapping[str, str], limit: int) -> Response:
        self.asked.append(url)
        assert limit < 16 * 1024 * 1024
        if url.startswith("https://auth.example/token"):
            return Response(200, {}, json.dumps({"token": self.token}).encode())
        if self.token and headers.get("Authorization") != f"Bearer {self.token}":
            realm = 'Bearer realm="https://auth.example/token",service="registry.example"'
            return Response(401, {"www-authenticate": realm}, b"{}")
        kind, _, name = url.partition("/v2/team/image/")[2].partition("/")
        body = {"manifests": self.manifests, "blobs": self.blobs}[kind].get(name)
        missing = Response(404, {}, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
        return missing if body is None else Response(200, {}, body)


REFERENCE = parse_reference("registry.example/team/image:1")


def test_manifest_and_configuration_are_read_and_no_layer() -> None:
    registry = Registry(["NVIDIA_REQUIRE_CUDA=cuda>=12.6", "PATH=/usr/bin"])
    image = read_image(REFERENCE, "x86_64", registry)
    assert image.env == {"NVIDIA_REQUIRE_CUDA": "cuda>=12.6", "PATH": "/usr/bin", "MACHINE": "amd64"}
    assert image.labels == {"a": "b"}
    kinds = [url.partition("/v2/team/image/")[2].partition("/")[0] for url in registry.asked]
    assert kinds == ["manifests", "manifests", "blobs"]
    bodies = [registry.manifests["1"], registry.manifests[image.digest], next(iter(registry.blobs.values()))]
    assert image.bytes_read == sum(map(len, bodies))


def test_the_machines_own_image_is_taken() -> None:
    assert read_image(REFERENCE, "aarch64", Registry([])).env == {"MACHINE": "arm64"}
    with pytest.raises(BuildError) as caught:
        read_image(REFERENCE, "riscv64", Registry([]))
    assert caught.value.code == "KGE-422"
    assert caught.value.cause == "it has amd64, arm64"


def test_a_token_is_fetched_once() -> None:
    registry = Registry([], token="abc")
    read_image(REFERENCE, "x86_64", registry)
    tokens = [url for url in registry.asked if "auth.example" in url]
    assert tokens == ["https://auth.example/token?service=registry.example&scope=repository:team/image:pull"]


def test_an_image_that_is_not_there() -> None:
    with pytest.raises(BuildError) as caught:
        read_image(parse_reference("registry.example/team/image:2"), "x86_64", Registry([]))
    assert caught.value.code == "KGE-422"
    assert "MANIFEST_UNKNOWN" in caught.value.cause
    assert "does not have it" in caught.value.fix


def test_a_registry_that_does_not_answer() -> None:
    def dead(url: str, headers: Mapping[str, str], limit: int) -> Response:  # noqa: ARG001 - the contract's names
        raise OSError("connection refused")

    with pytest.raises(BuildError) as caught:
        read_image(REFERENCE, "x86_64", dead)
    assert (caught.value.code, caught.value.cause) == ("KGE-421", "connection refused")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"config": 7}', b'{"config": {"digest": null}}'])
def test_an_answer_that_is_no_manifest(body: bytes) -> None:
    registry = Registry([])
    registry.manifests["1"] = body
    with pytest.raises(BuildError) as caught:
        read_image(REFERENCE, "x86_64", registry)
    assert caught.value.code == "KGE-423"


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"manifests": 5}',
        b'{"manifests": {"a": 1}}',
        b'{"manifests": [5]}',
        b'{"manifests": [{"platform": 5}]}',
        b'{"manifests": [{"platform": {"os": "linux", "architecture": "amd64"}, "digest": "../../x"}]}',
        b'{"config": {"digest": "sha256:../../../x"}}',
        b"\xff\xfe",
        b"9" * 5000,
    ],
    ids=lambda body: body[:24].decode("latin-1"),
)
def test_an_answer_of_another_shape(body: bytes) -> None:
    registry = Registry([])
    registry.manifests["1"] = body
    with pytest.raises(BuildError) as caught:
        read_image(REFERENCE, "x86_64", registry)
    assert caught.value.code == "KGE-423"


@pytest.mark.parametrize("config", ["[]", "7", '{"config": []}', '{"config": {"Labels": [1]}}', '{"config": "x"}'])
def test_a_configuration_of_another_shape(config: str) -> None:
    registry = Registry([])
    blob = config.encode()
    registry.blobs[digest(blob)] = blob
    registry.manifests["1"] = json.dumps({"config": {"digest": digest(blob)}}).encode()
    if config == '{"config": []}':  # as some tools write an empty one
        assert read_image(REFERENCE, "x86_64", registry).env == {}
        return
    with pytest.raises(BuildError) as caught:
        read_image(REFERENCE, "x86_64", registry)
    assert caught.value.code == "KGE-423"


@pytest.mark.parametrize("realm", ["http://[", "https://[::1", ""])
def test_a_challenge_that_is_none(realm: str) -> None:
    assert token_request(f'Bearer realm="{realm}"', "scope") is None


def test_a_blob_that_is_not_its_digest_is_refused() -> None:
    registry = Registry([])
    registry.blobs = dict.fromkeys(registry.blobs, b'{"config": {"Env": ["NVIDIA_DISABLE_REQUIRE=1"]}}')
    with pytest.raises(BuildError) as caught:
        read_image(REFERENCE, "x86_64", registry)
    assert caught.value.code == "KGE-423"
    assert "are not sha256:" in caught.value.cause


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("debian:12", "https://registry-1.docker.io/v2/library/debian/manifests/12"),
        ("localhost/x", "http://localhost/v2/x/manifests/latest"),
        ("127.0.0.1:5000/a/b:1", "http://127.0.0.1:5000/v2/a/b/manifests/1"),
        ("[::1]:5000/a", "http://[::1]:5000/v2/a/manifests/latest"),
        (f"far.example:443/a:1@{digest(b'')}", f"https://far.example:443/v2/a/manifests/{digest(b'')}"),
    ],
)
def test_where_a_registry_is_asked(text: str, asked: str) -> None:
    def nobody(url: str, headers: Mapping[str, str], limit: int) -> Response:  # noqa: ARG001 - a Get has them
        raise OSError(url)

    with pytest.raises(BuildError) as caught:
        read_image(parse_reference(text), "x86_64", nobody)
    assert (caught.value.code, caught.value.cause) == ("KGE-421", asked)


def test_a_login_is_not_sent_where_it_could_be_read() -> None:
    assert token_request('Bearer realm="http://far.example/token"', "s") is None
    assert token_request('Bearer realm="http://127.0.0.1:9/token"', "s") == "http://127.0.0.1:9/token?scope=s"
    assert token_request('Basic realm="x"', "s") is None


def test_a_login_that_docker_stored_is_used(tmp_path: Path) -> None:
    login = base64.b64encode(b"user:secret").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"registry.example": {"auth": login}}}))
    assert stored_login("registry.example", tmp_path).basic == login
    assert stored_login("other.example", tmp_path).basic is None


def test_the_hubs_login_is_for_the_hub_alone(tmp_path: Path) -> None:
    login = base64.b64encode(b"user:secret").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"https://index.docker.io/v1/": {"auth": login}}}))
    assert stored_login(parse_reference("debian").registry, tmp_path).basic == login
    assert stored_login(parse_reference("not-docker.io/debian").registry, tmp_path).basic is None


@pytest.mark.parametrize("text", ["", "[]", '{"auths": []}', '{"auths": {"registry.example": null}}', "{"])
def test_a_broken_login_file_is_no_login(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    assert stored_login("registry.example", tmp_path).settings == {}
    assert stored_login("registry.example", tmp_path / "none") == Login({})
