"""An engine that ends, or has no room, in the middle: on engines of its own, which may be killed and filled."""

import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provision.api.preflight import Room
from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import BuildStep, Context
from provision.errors import BuildError, EngineError
from provision.model import Pin

OwnDaemon = Any  # the class of conftest.py
KgpuEnv = Any  # the class of ../conftest.py
Start = Callable[..., OwnDaemon]
Give = Callable[[DockerEngine], str]
WaitFor = Callable[..., None]
# The SDK leaves the socket of a connection that was refused to the collector, who says so.
pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]


def context(base: str, *lines: str, **files: bytes) -> Context:
    return Context(files={"Dockerfile": "\n".join((f"FROM {base}", *lines, "")).encode(), **files})


def names(engine: DockerEngine) -> set[str]:
    """All images of an engine of our own, those without a name too."""
    api = engine._api  # noqa: SLF001 - the tests' only way to see what is left
    return {name for one in api.images(all=True) for name in one["RepoTags"] or ["<none>"]}


@pytest.mark.parametrize(("how", "codes"), [("kill", {"KGE-304"}), ("end", {"KGE-304", "KGE-401"})])
def test_one_that_ends_in_the_middle_of_a_step(own_daemon: Start, tiny_base: Give, how: str, codes: set[str]) -> None:
    daemon = own_daemon()
    engine = daemon.wait()
    base = tiny_base(engine)

    def step(report: BuildStep) -> None:
        if report.state == "running" and "RUN sleep" in report.name:
            threading.Thread(target=daemon.kill if how == "kill" else daemon.process.terminate).start()

    with pytest.raises((EngineError, BuildError)) as caught:
        engine.build(context(base, "RUN sleep 30"), "kgpu-test/half:1", step, {})
    engine.close()
    assert caught.value.code in codes, caught.value.cause  # who ends in order says first that the step has failed
    assert caught.value.fix


def test_one_that_is_killed_and_comes_again_has_nothing_half(own_daemon: Start, tiny_base: Give) -> None:
    daemon = own_daemon()
    engine = daemon.wait()
    before = names(engine) | {tiny_base(engine)}
    finished = threading.Event()

    def step(report: BuildStep) -> None:
        if report.state == "running" and "RUN sleep" in report.name:
            daemon.kill()
            finished.set()

    with pytest.raises(EngineError):
        engine.build(context("kgpu-test/tiny:1", "RUN echo 1 > /one", "RUN sleep 30"), "kgpu-test/half:1", step, {})
    engine.close()
    assert finished.is_set()
    again = daemon.again()
    try:
        assert names(again) == before
        built = again.build(context("kgpu-test/tiny:1", "RUN echo 1 > /one"), "kgpu-test/whole:1", lambda _: None, {})
        assert built.steps_total == 1
    finally:
        again.close()


@pytest.mark.parametrize(
    "lines",
    [("RUN dd if=/dev/zero of=/big bs=1M count=99",), ("COPY big /big",)],
    ids=["by a step", "by the context"],
)
def test_a_full_disk(own_daemon: Start, tiny_base: Give, lines: tuple[str, ...]) -> None:
    engine = own_daemon(mib=60).wait()
    base = tiny_base(engine)
    big = {"big": bytes(99 << 20)} if "COPY" in lines[0] else {}
    with pytest.raises(BuildError) as caught:
        engine.build(context(base, *lines, **big), "kgpu-test/half:1", lambda _: None, {})
    assert caught.value.code == "KGE-403", caught.value.cause
    assert "prune" in caught.value.fix
    assert names(engine) == {base}
    engine.close()


def test_a_disk_that_is_full_when_a_base_comes(own_daemon: Start, tiny_base: Give) -> None:
    daemon = own_daemon(mib=24)
    engine = daemon.wait()
    (daemon.folder / "ballast").write_bytes(bytes(daemon.free_bytes() - (1 << 20)))
    with pytest.raises(BuildError) as caught:
        tiny_base(engine)
    assert caught.value.code == "KGE-403", caught.value.cause
    assert names(engine) == set()
    engine.close()


def test_room_is_looked_at_before_a_step_fills_the_disk(own_daemon: Start, tiny_base: Give) -> None:
    daemon = own_daemon(mib=60)
    engine = daemon.wait()
    assert engine.free_bytes() is None  # its folder may be another than this process sees
    base = tiny_base(engine)
    pin = Pin(name="big", version="1", hashes=(f"sha256:{'1' * 64}",), size_bytes=daemon.free_bytes() + 1)
    room = Room((pin,), daemon.free_bytes)
    told: list[str] = []
    room.tell(told.append)
    assert "packed" in told[0]
    begun = time.monotonic()
    with pytest.raises(BuildError) as caught:
        engine.build(context(base, f"RUN sleep 30; : {pin.hashes[0]}"), "kgpu-test/half:1", room.check, {})
    assert caught.value.code == "KGE-403"
    assert time.monotonic() - begun < 20
    assert names(engine) == {base}
    engine.close()


def test_the_machine_s_own_engine_tells_its_room(engine: DockerEngine) -> None:
    free = engine.free_bytes()
    assert free is not None
    assert free > 0


@pytest.mark.slow
def test_a_socket_that_takes_a_connection_and_is_silent(tmp_path: Path, kgpu_env: KgpuEnv) -> None:
    begun = time.monotonic()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen()
        ended: subprocess.CompletedProcess[str] = kgpu_env(
            "prune", "--dry-run", env={"DOCKER_HOST": f"unix://{tmp_path}/s"}
        )
    assert (ended.returncode, "KGE-301" in ended.stderr) == (5, True), ended.stderr
    assert time.monotonic() - begun < 30
