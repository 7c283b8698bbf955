"""Where an image comes from, on a real engine and a real registry: told as the image itself tells it."""

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from provision import api as kgpu
from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import Context, Run
from provision.errors import InputError
from provision.model.inventory import Difference
from provision.records import attest, keys

Maker = Any  # the class of made_wheels.py
pytestmark = pytest.mark.engine


@pytest.fixture
def make(engine: DockerEngine, base: str, made_wheels: ModuleType) -> Iterator[Maker]:
    maker = made_wheels.Maker(engine, base)
    yield maker
    maker.remove()


def said(engine: DockerEngine, image: str, command: str) -> str:
    return engine.run(Run(image=image, command=("sh", "-c", command))).stdout


def test_the_bill_names_what_uv_and_dpkg_list(make: Maker, engine: DockerEngine) -> None:
    image = make().tag
    found = kgpu.inspect(image, engine=engine)
    rows = json.loads(kgpu.sbom(found))["components"]
    python = {(one["name"], one["version"]) for one in rows if one["purl"].startswith("pkg:pypi/")}
    frozen = said(engine, image, "cat /opt/venv/constraints.txt").split()  # `uv pip freeze`, at the end of the build
    assert python == {tuple(line.split("==")) for line in frozen}
    listed = re.findall(r"^ii +(\S+?)(?::\S+)? +(\S+) +(\S+)", said(engine, image, "COLUMNS=300 dpkg -l"), re.MULTILINE)
    debian = {(one["name"], one["version"]) for one in rows if one["purl"].startswith("pkg:deb/")}
    assert debian == {(name, version) for name, version, _ in listed}
    assert len(debian) > 50
    hashes = {one["name"]: one["hashes"][0]["content"] for one in rows if "hashes" in one}
    assert set(hashes) == {name for name, _ in python}
    assert kgpu.sbom(found) == kgpu.sbom(kgpu.inspect(image, engine=engine))


def test_what_was_put_on_top_is_drift(make: Maker, engine: DockerEngine) -> None:
    built, site = make(), "/opt/venv/lib/python3.11/site-packages"
    assert kgpu.inspect(built.tag, engine=engine).drift == ()
    text = (
        f"FROM {built.tag}\nUSER 0\nRUN mv {site}/demo-1.dist-info {site}/demo-2.dist-info"
        f" && sed -i 's/^Version: 1/Version: 2/' {site}/demo-2.dist-info/METADATA"
        f" && cp -r {site}/demo-2.dist-info {site}/more-3.dist-info"
        f" && sed -i 's/^Name: demo/Name: more/; s/^Version: 2/Version: 3/' {site}/more-3.dist-info/METADATA"
    )
    changed = f"{make.mark}:changed"
    engine.build(Context(files={"Dockerfile": text.encode()}), changed, lambda _: None, {})
    assert kgpu.inspect(changed, engine=engine).drift == (
        Difference(name="demo", pinned="1", installed="2"),
        Difference(name="more", pinned="", installed="3"),
    )


def test_an_image_of_others_is_refused(base: str, engine: DockerEngine) -> None:
    with pytest.raises(InputError) as caught:
        kgpu.inspect(base, engine=engine)
    assert caught.value.code == "KGE-220"


def test_what_is_pushed_has_both_documents(
    make: Maker, engine: DockerEngine, registry: str, tmp_path: Path, made_wheels: ModuleType
) -> None:
    tag = f"{registry}/kgpu-test/supply:1"
    key = tmp_path / "key.pem"
    kgpu.key_pair(key)
    try:
        result = make(tag=tag, push=True)
        assert result.manifest
        options = kgpu.BuildOptions()
        records = kgpu.Records(folder=tmp_path, key=key)
        statement = kgpu.provenance(result, made_wheels.STACK, options, records)
        documents = {"sbom": kgpu.sbom(kgpu.inspect(tag, engine=engine)), "provenance": statement}
        attached = kgpu.attach(result, documents)
    finally:
        make.api.remove_image(tag, force=True)
    index = fetched(registry, f"manifests/{result.manifest.replace(':', '-')}")
    assert {one["digest"] for one in index["manifests"]} == set(attached)
    kinds = {one["artifactType"]: one["digest"] for one in index["manifests"]}
    manifest = fetched(registry, f"manifests/{kinds['application/vnd.dsse.envelope.v1+json']}")
    assert manifest["subject"]["digest"] == result.manifest
    envelope = msgspec.convert(fetched(registry, f"blobs/{manifest['layers'][0]['digest']}"), attest.Envelope)
    told = json.loads(attest.verify(envelope, attest.IN_TOTO, (keys.read_private(key).public_key(),)))
    assert {one["digest"]["sha256"] for one in told["subject"]} == {
        one.partition(":")[2] for one in (result.image_id, result.manifest)
    }


def fetched(registry: str, path: str) -> Any:  # noqa: ANN401 - JSON
    kinds = ", ".join(f"application/vnd.oci.image.{kind}.v1+json" for kind in ("manifest", "index"))
    request = urllib.request.Request(f"http://{registry}/v2/kgpu-test/supply/{path}", headers={"Accept": kinds})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)
