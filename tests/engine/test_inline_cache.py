"""An image that is pushed carries its cache: a build elsewhere, whose engine has none of it, uses its layers.

That other engine is this one after the records of the test's own build were removed, and nothing else.
"""

import json
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import BuildStep, Built, Context

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = pytest.mark.engine
Build = Callable[..., Built]


def forget(api: "APIClient", mark: str) -> None:
    """Remove the build cache of the steps that name the mark; others' stays.

    A step that another one stands on is kept by the engine, and it lists both in no order: so until none is left.
    """
    left: list[str] = []
    for _ in range(10):
        answer: Any = api.df()
        left = [one["ID"] for one in answer["BuildCache"] if mark in one["Description"]]
        if not left:
            return
        for name in left:
            filters = json.dumps({"id": [name]})
            api.post(f"{api.base_url}/v{api.api_version}/build/prune", params={"all": "1", "filters": filters})
    raise AssertionError(f"the engine keeps build cache of the mark {mark}: {left}")


@pytest.fixture
def mark() -> str:
    return f"mark{time.monotonic_ns()}"


@pytest.fixture
def build(engine: DockerEngine, base: str, api: "APIClient", mark: str, registry: str) -> Iterator[Build]:
    """Build two layers that nobody built before, and push them where the inline cache is asked for."""
    names: list[str] = []
    text = f"FROM {base}\nRUN : {mark} && head -c 1000000 /dev/urandom > /a\nRUN : {mark} && date > /b\n"

    def run(*, inline_cache: bool = False, **settings: Any) -> Built:  # noqa: ANN401 - a context's own
        names.append(f"{registry}/kgpu-test/{mark}:{len(names)}")
        context = Context(files={"Dockerfile": text.encode()}, inline_cache=inline_cache, **settings)
        built = engine.build(context, names[-1], steps.append, {})
        if inline_cache:
            engine.push(names[-1], lambda _: None)
        engine.remove(names[-1])
        return built

    steps: list[BuildStep] = []
    yield run
    forget(api, mark)


def test_a_pushed_image_is_the_cache_of_a_build_elsewhere(
    build: Build, api: "APIClient", mark: str, registry: str
) -> None:
    first = build(inline_cache=True)
    assert (first.steps_total, first.steps_cached) == (2, 0)
    forget(api, mark)
    again = build(cache_from=(f"{registry}/kgpu-test/{mark}:0",))
    assert (again.steps_total, again.steps_cached) == (2, 2)
    forget(api, mark)
    assert build().steps_cached == 0  # and it was not the engine's own cache


def test_an_image_without_a_cache_gives_none(build: Build, engine: DockerEngine, api: "APIClient", mark: str) -> None:
    assert build().steps_cached == 0
    forget(api, mark)
    assert build(cache_from=("127.0.0.1:1/kgpu-test/none:1",)).steps_cached == 0  # nobody listens there
    assert engine.describe().buildkit


def test_every_step_runs_where_no_cache_is_wanted(build: Build) -> None:
    assert build().steps_cached == 0
    assert build().steps_cached == 2
    assert build(no_cache=True).steps_cached == 0
