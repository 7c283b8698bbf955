"""`kgpu-env export` names an image by its digest: asked of a real engine, or of a real registry on loopback."""

import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from provision.engine.docker_engine import DockerEngine

if TYPE_CHECKING:
    from docker import APIClient

KgpuEnv = Any  # the class of conftest.py
pytestmark = pytest.mark.engine


@pytest.fixture
def pushed(engine: DockerEngine, api: "APIClient", registry: str, tmp_path: Path) -> Iterator[str]:
    """An image of one file that the engine has and has pushed."""
    name, archive = f"{registry}/kgpu-test/pinned:1", tmp_path / "root.tar"
    _import(engine, archive, name, b"first")
    engine.push(name, lambda _: None)
    yield name
    # One that lost its tag to another still has its digest, and stays by that.
    for one in api.images(name.rpartition(":")[0]):
        api.remove_image(one["Id"], force=True)


def _import(engine: DockerEngine, archive: Path, name: str, content: bytes) -> None:
    with tarfile.open(archive, "w") as tar:
        member = tarfile.TarInfo("etc/made")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    engine.import_image(str(archive), name, {})


def named(kgpu_env: KgpuEnv, kind: str, image: str, *more: str) -> tuple[str, str]:
    """Return the image that every file of an output names, and what was said."""
    ended = kgpu_env("export", kind, "--vendor", "cpu", "--image", image, "--json", *more)
    assert ended.returncode == 0, ended.stderr
    texts = [one["text"] for one in json.loads(ended.stdout)["files"]]
    texts = [re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE) for text in texts]  # comments tell it in words
    [found] = {word for text in texts for word in re.findall(r"[^\s\"'=]*kgpu-test/pinned[^\s\"']*", text)}
    return found, ended.stderr


def test_every_output_gets_the_digest_of_what_was_pushed(kgpu_env: KgpuEnv, api: "APIClient", pushed: str) -> None:
    [digest] = [one.partition("@")[2] for one in api.inspect_image(pushed)["RepoDigests"]]  # type: ignore[no-untyped-call] # as the SDK has it
    for kind in ("devcontainer", "compose", "kubernetes", "quadlet", "shell"):
        assert named(kgpu_env, kind, pushed)[0] == f"{pushed}@{digest}"
    # Apptainer's image library refuses a tag beside a digest.
    assert named(kgpu_env, "apptainer", pushed)[0] == f"{pushed.removesuffix(':1')}@{digest}"
    name, told = named(kgpu_env, "shell", pushed, "--by-tag")
    assert (name, "by its tag" in told) == (pushed, False)  # as asked, so that nothing has to be said


def test_an_image_that_the_engine_has_not_is_asked_of_its_registry(
    kgpu_env: KgpuEnv, engine: DockerEngine, api: "APIClient", pushed: str
) -> None:
    by_engine = named(kgpu_env, "shell", pushed)[0]
    api.remove_image(pushed)
    assert engine.image(pushed) is None
    assert named(kgpu_env, "shell", pushed)[0] == by_engine
    assert "@sha256:" in by_engine


def test_an_image_that_was_made_since_the_push_does_not_get_the_old_digest(
    kgpu_env: KgpuEnv, engine: DockerEngine, pushed: str, tmp_path: Path
) -> None:
    _import(engine, tmp_path / "other.tar", pushed, b"second")
    name, told = named(kgpu_env, "shell", pushed)
    assert name == pushed
    assert "named by its tag alone" in told


def test_nobody_answers(kgpu_env: KgpuEnv) -> None:
    image = "127.0.0.1:1/kgpu-test/pinned:1"
    name, told = named(kgpu_env, "shell", image)
    assert (name, "127.0.0.1:1 does not answer" in told) == (image, True)
