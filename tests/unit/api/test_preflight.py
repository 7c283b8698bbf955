"""Whom a build asks, when, and what is said of those who do not answer; the answers are made up, the rest is real."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from provision.api.preflight import Room, Watch, watch
from provision.catalogue import load
from provision.engine.image_build import BuildOrder
from provision.engine.network import BuildNetwork
from provision.engine.protocol import BuildStep
from provision.errors import BuildError
from provision.model import Base, Framework, Network, Pin, Request, Route, Stack, Vendor

ONE, TWO = (f"sha256:{digit * 64}" for digit in "12")
PINS = (
    Pin(name="demo", version="1", hashes=(ONE,), size_bytes=3_000_000_000),
    Pin(name="b", version="1", hashes=(TWO,)),
)
INDEX = "https://me:s3cret@packages.example/simple"
STACK = Stack(
    vendor=Vendor.CUDA,
    route=Route.WHEELS,
    framework=Framework(name="tensorflow", version="2.21"),
    runtime=Framework(name="cuda", version="12.5.1"),
    python="3.11",
    base=Base(image="mirror.example/debian:12"),
    local_base="bookworm",
    summary="x",
)
ORDER = BuildOrder(
    stack=STACK,
    request=Request(vendor=Vendor.CUDA),
    network=BuildNetwork(indexes=(INDEX,), arguments={"HTTPS_PROXY": "http://proxy:1"}),
    pins=PINS,
    tag="registry.example/team/x:1",
    push=True,
)
PULL = BuildStep(index=0, name="pulling mirror.example/debian:12", state="running")
RUN = BuildStep(index=3, name=f"[2/3] RUN uv pip install demo==1 --hash={ONE}", state="running")
ENGINE = SimpleNamespace(image=lambda name: None if name == STACK.base.image else name, free_bytes=lambda: None)


class World:
    """What each host answers (200 where nothing is said), what was asked, and what was told."""

    def __init__(self) -> None:
        self.answers: dict[str, int | OSError] = {}
        self.asked: dict[str, Mapping[str, str]] = {}
        self.told: list[str] = []

    def ask(self, url: str, proxies: Mapping[str, str], *_: object) -> int:
        self.asked[url] = proxies
        answer = next((one for host, one in self.answers.items() if host in url), 200)
        if isinstance(answer, OSError):
            raise answer
        return answer

    def start(self, order: BuildOrder = ORDER) -> Watch:
        return watch(order, ENGINE, load(), Network(), self.told.append)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    found, others = World(), set(threading.enumerate())
    monkeypatch.setattr("provision.registry.http.asked", found.ask)
    monkeypatch.setattr("provision.engine.apt_sources.first_mirror", lambda _: "http://mirror.test/debian/")
    yield found
    # One that asks later would reach the real network. Not joined: what begins just now is listed, and cannot be.
    assert soon(lambda: not set(threading.enumerate()) - others)


def soon(ready: Callable[[], bool]) -> bool:
    end = time.monotonic() + 30
    while not ready() and time.monotonic() < end:
        time.sleep(0.01)
    return ready()


def test_nothing_is_asked_for_a_build_that_the_cache_has(world: World) -> None:
    watching = world.start()
    for state in ("cached", "done"):
        watching(replace(RUN, state=state))
    watching(BuildStep(index=1, name="[internal] load build definition", state="running"))
    watching(BuildStep(index=0, name="pushing registry.example/team/x:1", state="running"))
    time.sleep(0.1)
    assert world.asked == {}


def test_who_is_needed_is_asked_before_a_base_is_fetched(world: World) -> None:
    watching = world.start()
    watching(PULL)
    wanted = {"https://mirror.example/v2/", "https://registry.example/v2/", f"{INDEX}/demo/"}
    assert soon(lambda: set(world.asked) == wanted), world.asked
    assert world.asked[f"{INDEX}/demo/"]["HTTPS_PROXY"] == "http://proxy:1"
    watching(replace(PULL, name="making kgpu-env/base:debian-bookworm"))
    assert soon(lambda: "http://mirror.test/debian/dists/bookworm/InRelease" in world.asked), world.asked
    watching(RUN)
    time.sleep(0.1)
    assert len(world.asked) == 4


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (401, "KGE-430"),
        (403, "KGE-430"),
        (407, "KGE-432"),
        (502, "KGE-439"),
        (OSError("NewConnectionError: [Errno 111] Connection refused"), "KGE-434"),
        (OSError("NameResolutionError: Failed to resolve 'x' ([Errno -2] Name or service not known)"), "KGE-431"),
        (OSError("ConnectTimeoutError: Connection to x timed out. (connect timeout=3.0)"), "KGE-433"),
        (OSError("something else"), ""),
    ],
    ids=str,
)
def test_who_does_not_answer_is_named(world: World, answer: int | OSError, code: str) -> None:
    world.answers["packages.example"] = answer
    watching = world.start()
    watching(RUN)
    assert soon(lambda: bool(world.told)), world.asked
    assert world.told[0].startswith("warning: the package index at packages.example does not serve this host: ")
    assert (f" ({code})" if code else "") in world.told[0]
    assert "network: index_url" in world.told[0]
    assert "s3cret" not in world.told[0]
    error = watching.explained(BuildError("KGE-401", "a step failed", cause="exit code: 1"))
    assert error.cause.startswith("exit code: 1; the package index at packages.example")
    known = BuildError("KGE-430", "a step failed", cause="https://packages.example refuses")
    assert watching.explained(known).cause == "https://packages.example refuses"
    assert watching.explained(BuildError("KGE-419", "too large")).cause == ""


@pytest.mark.parametrize(("host", "answer"), [("packages.example", 404), ("mirror.example", 401), ("registry.ex", 403)])
def test_an_answer_that_means_nothing_bad(world: World, host: str, answer: int) -> None:
    world.answers[host] = answer
    world.start()(PULL)
    assert soon(lambda: len(world.asked) == 3)
    time.sleep(0.1)
    assert world.told == []


def test_nothing_is_said_after_the_end(world: World) -> None:
    world.answers["packages.example"] = 500
    watching = world.start()
    watching.end()
    watching(RUN)
    assert soon(lambda: bool(watching.failures)), world.asked
    assert world.told == []


def test_a_look_that_fails_ends_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> str:
        raise RuntimeError

    monkeypatch.setattr("provision.engine.apt_sources.first_mirror", fail)
    world.start()(RUN)
    assert soon(lambda: f"{INDEX}/demo/" in world.asked)
    time.sleep(0.1)
    assert world.told == []


def test_files_of_the_context_need_no_index(world: World) -> None:
    own = tuple(replace(pin, origin=f"wheels/{pin.name}.whl") for pin in PINS)
    world.start(replace(ORDER, pins=own, push=False))(replace(RUN, name="[2/3] RUN true"))
    world.start(replace(ORDER, offline=True))(RUN)
    time.sleep(0.2)
    assert [url for url in world.asked if "simple" in url] == []


@pytest.mark.parametrize(("free", "ends"), [(None, False), (2_999_999_999, True), (3_000_000_000, False)])
def test_a_step_that_cannot_have_room(free: int | None, ends: bool) -> None:  # noqa: FBT001 - a case
    said: list[str] = []
    room = Room(PINS, lambda: free)
    room.tell(said.append)
    assert bool(said) == (free is not None)
    room.check(replace(RUN, state="cached"))
    room.check(replace(RUN, index=2, name="[1/3] RUN true"))
    if not ends:
        room.check(RUN)
        return
    with pytest.raises(BuildError) as caught:
        room.check(RUN)
    assert caught.value.code == "KGE-403"
    assert "3.0 GB" in caught.value.cause
    room.check(RUN)  # once


def test_sizes_are_those_of_a_lock() -> None:
    from provision.lock import pins, read_lock  # noqa: PLC0415 - here alone

    lock = read_lock(Path(__file__).parents[3] / "images" / "locks" / "cuda.lock")
    assert sum(pin.size_bytes or 0 for pin in pins(lock)) > 1_000_000_000
