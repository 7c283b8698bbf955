"""Registries that fail, in front of a real one: pulls and pushes end, are told, and leave neither image nor tag."""

import io
import os
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from faulty import Fault, How, faulty
from msgspec.structs import replace

from provision.engine import images
from provision.engine.base_image import provide_base
from provision.engine.docker_engine import DockerEngine
from provision.errors import BuildError
from provision.model import Base

Attempt = Any  # the class of conftest.py
Failed = Callable[..., dict[str, str]]
pytestmark = pytest.mark.engine
MANIFEST, BLOB, UPLOAD = "/manifests/", "/blobs/sha256", "/blobs/uploads/"


@pytest.fixture
def pushed(engine: DockerEngine, tmp_path: Path) -> Iterator[str]:
    """The name of an image of a megabyte that no registry has: an engine fetches a layer that two pulls want once."""
    name, content = f"t{time.monotonic_ns()}:1", os.urandom(1 << 20)
    with tarfile.open(tmp_path / "root.tar", "w") as archive:
        member = tarfile.TarInfo("file")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    engine.import_image(str(tmp_path / "root.tar"), name, {})
    yield name
    engine.remove(name)


@pytest.fixture
def stored(engine: DockerEngine, registry: str, pushed: str) -> str:
    """The name of an image in a registry that works, after its host; the engine has it no more."""
    engine.tag(pushed, f"{registry}/{pushed}")
    engine.push(f"{registry}/{pushed}", lambda _: None)
    for one in (f"{registry}/{pushed}", pushed):
        engine.remove(one)
    return pushed


class Case(NamedTuple):
    """A fault, the code and a word that it is told with, and how often the registry is asked."""

    fault: Fault
    code: str
    told: str = ""
    asked: int = 1

    def __str__(self) -> str:
        return f"{self.fault.how} {self.fault.where.strip('/').partition('/')[0]}"


@pytest.mark.parametrize(
    "case",
    [
        Case(Fault("reset", MANIFEST), "KGE-450", "", 3),
        Case(Fault("500", MANIFEST), "KGE-402", "500", 3),
        Case(Fault("401", MANIFEST), "KGE-441"),
        Case(Fault("garbage", MANIFEST), "KGE-452"),
        Case(Fault("flip", MANIFEST), "KGE-402"),
        Case(Fault("flip", BLOB), "KGE-452"),
        Case(Fault("cut", BLOB), "KGE-450"),
        Case(Fault("404", BLOB), "KGE-402"),
    ],
    ids=str,
)
def test_a_base_that_is_not_whole_is_refused(
    attempt: Attempt, failed: Failed, registry: str, stored: str, case: Case
) -> None:
    with faulty(case.fault, upstream=registry) as server:
        ended = attempt(base=f"{server.host}/{stored}")
    error = failed(ended)
    assert (error["code"], case.told in error["cause"]) == (case.code, True), error
    assert ended.stderr.count("asking again in") == case.asked - 1
    assert server.host in error["text"]
    assert attempt.engine.image(f"{server.host}/{stored}") is None


def test_one_that_fails_for_a_moment_is_asked_again(
    engine: DockerEngine, registry: str, stored: str, made_wheels: ModuleType
) -> None:
    told: list[str] = []
    with faulty(Fault("500", MANIFEST, times=2), upstream=registry) as server:
        stack = replace(made_wheels.STACK, base=Base(image=f"{server.host}/{stored}"))
        found, _ = provide_base(engine, stack, {}, told.append, lambda _: None)
    assert engine.image(found)
    engine.remove(found)
    assert told
    assert all("500" in one and "asking again in" in one for one in told)


@pytest.mark.parametrize("where", [MANIFEST, BLOB], ids=["manifest", "blob"])
def test_one_that_is_silent(
    engine: DockerEngine, registry: str, stored: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "SILENCE", 3.0)
    begun = time.monotonic()
    with faulty(Fault("hang", where), upstream=registry) as server:
        with pytest.raises(BuildError) as caught:
            engine.pull(f"{server.host}/{stored}", lambda _: None)
        assert time.monotonic() - begun < 20
    assert (caught.value.code, caught.value.cause) == ("KGE-402", "nothing has moved for 3 s: operation timed out")
    assert engine.image(f"{server.host}/{stored}") is None


def test_a_slow_one(engine: DockerEngine, registry: str, stored: str) -> None:
    with faulty(Fault("slow", BLOB, seconds=4), upstream=registry) as server:
        assert engine.pull(f"{server.host}/{stored}", lambda _: None).image_id
    engine.remove(f"{server.host}/{stored}")


@pytest.mark.parametrize(
    "how",
    [
        "401",
        "hang",
        *(pytest.param(how, marks=pytest.mark.slow) for how in ("reset", "500")),  # Docker asks for 50 s
    ],
)
def test_a_push_that_is_not_taken(
    engine: DockerEngine, registry: str, pushed: str, how: How, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "SILENCE", 5.0)
    begun = time.monotonic()
    with faulty(Fault(how, UPLOAD), upstream=registry) as server:
        engine.tag(pushed, f"{server.host}/{pushed}")
        with pytest.raises(BuildError) as caught:
            engine.push(f"{server.host}/{pushed}", lambda _: None)
        assert engine.image(f"{server.host}/{pushed}")  # what was built is kept
        engine.remove(f"{server.host}/{pushed}")
    assert caught.value.code == "KGE-404"
    assert time.monotonic() - begun < 100
