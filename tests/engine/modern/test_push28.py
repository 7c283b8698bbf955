"""What is pushed from a current Docker, of either image store: its documents name what the registry has."""

import json
import urllib.request
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from nodes import reached_from
from registries import registry_in

from provision import api as kgpu
from provision.engine.base_image import local_base
from provision.model import Base
from provision.records import attest, keys

Modern = Any  # the class of conftest.py
pytestmark = pytest.mark.engine
SUITE = "trixie"  # of a base that no other test has


def fetched(registry: str, path: str) -> Any:  # noqa: ANN401 - JSON
    kinds = ", ".join(f"application/vnd.oci.image.{kind}.v1+json" for kind in ("manifest", "index"))
    request = urllib.request.Request(f"http://{registry}/v2/kgpu-test/supply/{path}", headers={"Accept": kinds})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def test_the_documents_of_a_push_name_what_the_registry_has(
    docker28: Modern, debian: str, made_wheels: ModuleType, tmp_path: Path
) -> None:
    maker, key = made_wheels.Maker(docker28.engine, debian), tmp_path / "key.pem"
    made_here = local_base(SUITE)
    docker28.engine.tag(debian, made_here)
    stack = replace(made_wheels.STACK, base=Base(image="127.0.0.1:1/none:1"), local_base=SUITE)
    records = kgpu.Records(folder=tmp_path, key=key)
    kgpu.key_pair(key)
    with registry_in(tmp_path / "registry") as registry:
        with reached_from(docker28.daemon.process.pid, int(registry.partition(":")[2])):
            tag = f"{registry}/kgpu-test/supply:1"
            try:
                result = maker(tag=tag, push=True, stack=stack)
                labels = docker28.engine.image(tag).labels
                sbom = kgpu.sbom(kgpu.inspect(tag, engine=docker28.engine))
            finally:
                maker.remove()
                docker28.engine.remove(tag)
                docker28.engine.remove(made_here)
        documents = {"sbom": sbom, "provenance": kgpu.provenance(result, stack, kgpu.BuildOptions(), records)}
        attached = kgpu.attach(result, documents)
        listed = fetched(registry, f"manifests/{result.manifest.replace(':', '-')}")["manifests"]
        assert [one["digest"] for one in listed] == list(attached)
        for digest, document in zip(attached, documents.values(), strict=True):
            manifest = fetched(registry, f"manifests/{digest}")
            assert manifest["subject"]["digest"] == result.manifest
            with urllib.request.urlopen(
                f"http://{registry}/v2/kgpu-test/supply/blobs/{manifest['layers'][0]['digest']}"
            ) as blob:
                assert blob.read() == document
    # With containerd's image store the engine's own name of the image is the registry's, else its configuration's.
    assert (result.image_id == result.manifest) is (docker28.store == "containerd")
    envelope = msgspec.json.decode(documents["provenance"], type=attest.Envelope)
    told = json.loads(attest.verify(envelope, attest.IN_TOTO, (keys.read_private(key).public_key(),)))
    subjects = {f"sha256:{one['digest']['sha256']}" for one in told["subject"]}
    assert subjects == {result.image_id, result.manifest}
    # The base was made here: no registry has it, whatever digest the engine has for it.
    assert result.base_built_locally
    assert "org.opencontainers.image.base.digest" not in labels
