import io
import re
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import Transfer
from provision.errors import BuildError

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = pytest.mark.engine


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A root file system of one file."""
    path = tmp_path / "root.tar"
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo("etc/made")
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    return path


def test_push_and_pull(engine: DockerEngine, api: "APIClient", archive: Path, registry: str) -> None:
    name = f"{registry}/kgpu-test/tiny:1"
    made = engine.import_image(str(archive), name, {})
    told: list[Transfer] = []
    try:
        engine.push(name, told.append)
        api.remove_image(name)
        assert engine.image(name) is None
        assert engine.pull(name, told.append).image_id == made.image_id
    finally:
        api.remove_image(name)
    assert any("Pushed" in one.text for one in told)
    assert told[-1].done_bytes == told[-1].total_bytes  # containerd tells no bytes
    assert any("Pulling from" in one.text for one in told)


def test_a_manifest_that_the_registry_lacks(engine: DockerEngine, registry: str) -> None:
    with pytest.raises(BuildError) as caught:
        engine.pull(f"{registry}/kgpu-test/none:1", lambda _: None)
    assert caught.value.code == "KGE-402"
    assert re.search("manifest|not found", caught.value.cause)  # containerd's image store has words of its own
    assert "not have it" in caught.value.fix


def test_a_registry_that_does_not_answer(engine: DockerEngine) -> None:
    with pytest.raises(BuildError) as caught:
        engine.pull("127.0.0.1:1/kgpu-test/none:1", lambda _: None)
    assert caught.value.code == "KGE-402"
    assert "connection refused" in caught.value.cause


def test_pushing_what_is_not_there(engine: DockerEngine, registry: str) -> None:
    with pytest.raises(BuildError) as caught:
        engine.push(f"{registry}/kgpu-test/none:1", lambda _: None)
    assert caught.value.code == "KGE-404"
    assert "build and tag it first" in caught.value.fix


def test_import_with_labels(engine: DockerEngine, tag: str, archive: Path) -> None:
    value = 'quote " dollar $HOME back\\slash and = sign'
    image = engine.import_image(str(archive), tag, {"a b": value, "c": ""})
    assert image.labels == {"a b": value, "c": ""}
    assert image == engine.image(tag)


@pytest.mark.parametrize("content", [None, b"no tar at all" * 100])
def test_an_archive_that_is_none(engine: DockerEngine, tag: str, tmp_path: Path, content: bytes | None) -> None:
    archive = tmp_path / "root.tar"
    if content is not None:
        archive.write_bytes(content)
    with pytest.raises(BuildError) as caught:
        engine.import_image(str(archive), tag, {})
    assert caught.value.code == "KGE-410"
    assert engine.image(tag) is None
