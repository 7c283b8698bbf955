"""A locked build in a real engine: the hashes are in the Dockerfile itself, and another file is refused.

The lock holds two small wheels of Dockerfile.cuda's own: it is the installation that is tried, not TensorFlow.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from provision.catalogue import load
from provision.engine.docker_engine import DockerEngine
from provision.engine.image_build import BuildOrder, build_stack_image
from provision.engine.network import build_network
from provision.engine.protocol import Run
from provision.errors import BuildError
from provision.lock import Lock, Pinned, Wheel, make_lock, pins, read_lock
from provision.model import Base, Framework, Network, Request, Route, Stack, Vendor
from provision.model.pins import requirement

pytestmark = pytest.mark.engine
REFERENCE = read_lock(Path(__file__).parents[2] / "images" / "locks" / "cuda.lock")
SMALL = tuple(wheel for wheel in REFERENCE.wheels if wheel.name in {"six", "termcolor"})
# Of all templates ROCm's alone does not import TensorFlow while it builds.
REQUEST = Request(vendor=Vendor.ROCM)
STACK = Stack(
    vendor=Vendor.ROCM,
    route=Route.WHEELS,
    framework=Framework(name="tensorflow", version="2.21"),
    runtime=Framework(name="rocm", version="7.14.1"),
    python="3.11",
    base=Base(image=""),
    python_in_base=True,
    packages=("six", "termcolor"),
    summary="two wheels by hash",
)
BuildLock = Callable[[tuple[Wheel, ...], tuple[Wheel, ...]], Lock]


@pytest.fixture
def build_lock(engine: DockerEngine, base: str, tag: str) -> BuildLock:
    """Lock wheels and tools on the test base, and build that."""

    def build(wheels: tuple[Wheel, ...], tools: tuple[Wheel, ...]) -> Lock:
        stack = replace(STACK, base=Base(image=base))
        lock = make_lock(load(), stack, REQUEST, Pinned(wheels, tools, REFERENCE.platform, None))
        network = build_network(Network(), os.environ)
        order = BuildOrder(stack=lock.stack, request=REQUEST, network=network, tag=tag, pins=pins(lock))
        build_stack_image(engine, load(), order, lambda _: None, lambda _: None)
        return lock

    return build


def other(wheel: Wheel) -> Wheel:
    """The wheel with a hash that is none of its files'."""
    return replace(wheel, files=tuple(replace(file, hash=f"sha256:{'0' * 64}") for file in wheel.files))


def test_what_is_locked_is_what_is_installed(build_lock: BuildLock, engine: DockerEngine, tag: str) -> None:
    lock = build_lock(SMALL, REFERENCE.tools)
    seen = engine.run(
        Run(image=tag, command=("cat", "/opt/venv/requirements/framework.txt", "/opt/venv/constraints.txt"))
    )
    names = "".join(f"{wheel.name}=={wheel.version}\n" for wheel in SMALL)
    assert seen.stdout == "".join(f"{requirement(pin)}\n" for pin in pins(lock) if pin.use != "tool") + names


@pytest.mark.parametrize("kind", ["wheel", "tool"])
def test_a_file_with_another_hash_is_refused(build_lock: BuildLock, engine: DockerEngine, tag: str, kind: str) -> None:
    wheels = (other(SMALL[0]), *SMALL[1:]) if kind == "wheel" else SMALL
    tools = tuple(map(other, REFERENCE.tools)) if kind == "tool" else REFERENCE.tools
    with pytest.raises(BuildError) as caught:
        build_lock(wheels, tools)
    assert caught.value.code == "KGE-401"
    assert "hash" in " ".join(caught.value.log).lower()
    assert engine.image(tag) is None
