"""Layers of a real engine: the same wheels are the same bytes, a layer's change leaves those below, a limit is kept."""

from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from provision import api as kgpu
from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import Run
from provision.errors import BuildError

if TYPE_CHECKING:
    from docker import APIClient

Maker = Any  # the class of made_wheels.py
Made = ModuleType
pytestmark = pytest.mark.engine


@pytest.fixture
def make(engine: DockerEngine, base: str, made_wheels: Made) -> Iterator[Maker]:
    maker = made_wheels.Maker(engine, base)
    yield maker
    maker.remove()


def test_the_same_wheels_are_the_same_bytes(made_wheels: Made, make: Maker, api: "APIClient") -> None:
    first, second = make(fresh=True), make(fresh=True)
    assert first.steps_cached == second.steps_cached == 0
    assert made_wheels.wheels_of(api, make.base, first) == made_wheels.wheels_of(api, make.base, second)
    assert len(set(made_wheels.layers(api, first))) == len(made_wheels.layers(api, first))


def test_a_kept_cache_gives_the_same_bytes(made_wheels: Made, make: Maker, api: "APIClient") -> None:
    first, second = make(fresh=True), make(fresh=True, cache="mount")
    assert made_wheels.wheels_of(api, make.base, first) == made_wheels.wheels_of(api, make.base, second)


def test_an_added_package_is_a_layer_of_its_own(made_wheels: Made, make: Maker, api: "APIClient") -> None:
    plain = make()
    more = make(made_wheels.pin_of("added", made_wheels.wheel("added"), "added"))
    assert more.steps_cached == len(made_wheels.NAMES)
    assert (
        made_wheels.layers(api, plain)[:-2] == made_wheels.layers(api, more)[: len(made_wheels.layers(api, plain)) - 2]
    )


def test_what_is_bound_leaves_no_trace_and_modules_are_compiled(
    made_wheels: Made, make: Maker, engine: DockerEngine
) -> None:
    built = make()
    places = "/dev/uv /dev/network /dev/context /opt/venv/.cache /root/.cache"
    look = f"ls -A {places} 2>/dev/null; find /opt -newermt 1980-01-02"
    assert engine.run(Run(image=built.tag, command=("sh", "-c", look), user="0")).stdout == ""
    look = "find /opt -path '*demo*pyc' -o -path '*nvidia/nvidia*.h'"
    found = engine.run(Run(image=built.tag, command=("sh", "-c", look)))
    assert [path.rpartition(".")[2] for path in found.stdout.split()] == ["pyc"] * len(made_wheels.NAMES)


def test_a_size_is_told_by_layer_and_by_package(made_wheels: Made, make: Maker, engine: DockerEngine) -> None:
    found = kgpu.image_size(make().tag, engine=engine)
    sizes = {one.name: one.bytes for one in found.packages}
    assert set(sizes) >= set(made_wheels.NAMES)
    assert all(1_000_000 < sizes[name] < 1_100_000 for name in made_wheels.NAMES)
    assert sum(one.bytes for one in found.layers) == found.bytes
    assert len([one for one in found.layers if 1_000_000 < one.bytes < 2_000_000]) == len(made_wheels.NAMES)


def test_an_image_that_is_too_large_leaves_no_tag(make: Maker, engine: DockerEngine) -> None:
    with pytest.raises(BuildError) as caught:
        make(max_size="1MB", tag=f"{make.mark}:large")
    assert (caught.value.code, caught.value.exit_code) == ("KGE-419", 6)
    assert engine.image(f"{make.mark}:large") is None


def test_an_image_that_is_too_large_leaves_the_older_one(made_wheels: Made, make: Maker, engine: DockerEngine) -> None:
    tag = f"{make.mark}:kept"
    first = make(max_size="3GB", tag=tag)
    with pytest.raises(BuildError, match="is the limit"):
        make(made_wheels.pin_of("added", made_wheels.wheel("added"), "added"), max_size="1MB", tag=tag)
    image = engine.image(tag)
    assert image is not None
    assert image.image_id == first.image_id


def test_the_same_image_again_is_not_lost_to_a_limit(make: Maker, engine: DockerEngine) -> None:
    tag = f"{make.mark}:again"
    make(tag=tag)
    with pytest.raises(BuildError):
        make(max_size="1MB", tag=tag)
    assert engine.image(tag) is not None
