"""A real engine, a real Podman and a loopback registry; what the tests make, they remove."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provision.engine.base import make_base
from provision.engine.docker import DockerEngine, connect
from provision.engine.protocol import BuildStep, Built, Context
from provision.errors import KgpuError

if TYPE_CHECKING:
    from docker import APIClient

BASE = "kgpu-test/base:latest"
Build = Callable[..., Built]


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerEngine]:
    try:
        found = connect()
    except KgpuError as error:
        pytest.fail(f"the engine tests need a container engine: {error.what}: {error.why}", pytrace=False)
    assert isinstance(found, DockerEngine)
    if not found.describe().buildkit:
        pytest.fail(f"the engine tests need Docker, and {found.describe().address} is none", pytrace=False)
    yield found
    found.close()


@pytest.fixture(scope="session")
def base(engine: DockerEngine) -> str:
    """A Debian with Python; made here when it is missing, and kept, since making it takes half a minute."""
    if engine.image(BASE) is None:
        make_base(engine, "bookworm", BASE, lambda _: None)
    return BASE


@pytest.fixture
def api(engine: DockerEngine) -> "APIClient":
    """The SDK's client, to look behind the engine's back."""
    return engine._api  # noqa: SLF001 - the tests' only way to see what is left


@pytest.fixture
def tag(api: "APIClient") -> Iterator[str]:
    from docker.errors import ImageNotFound  # noqa: PLC0415 - slow to import

    name = f"kgpu-test/t{time.monotonic_ns()}:1"
    yield name
    try:
        api.remove_image(name, force=True)
    except ImageNotFound:
        return


@pytest.fixture
def build(engine: DockerEngine, base: str, tag: str) -> Build:
    """Build lines on top of the base; returns the result."""

    def run(*lines: str, seen: list[BuildStep] | None = None, name: str = tag) -> Built:
        text = "\n".join((f"FROM {base}", *lines, ""))
        report = seen.append if seen is not None else lambda _: None
        return engine.build(Context(files={"Dockerfile": text.encode()}), name, report, {})

    return run


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real Podman service."""
    program = shutil.which("podman")
    if program is None:
        pytest.fail("the engine tests need Podman: apt-get install podman", pytrace=False)
    path = tmp_path_factory.mktemp("podman") / "podman.sock"
    with subprocess.Popen([program, "system", "service", "--time=0", f"unix://{path}"]) as service:
        try:
            wait_for(path.exists, "Podman's socket")
            yield f"unix://{path}"
        finally:
            service.terminate()


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HOST:PORT of a registry on loopback, which Docker takes without TLS."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.fail("the engine tests need a registry: apt-get install docker-registry", pytrace=False)
    folder = tmp_path_factory.mktemp("registry")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = folder / "config.yml"
    config.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n"
        "log: {level: error}\n"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OTEL")}
    with subprocess.Popen(
        [program, "serve", str(config)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            wait_for(lambda: listens(port), "the registry")
            yield f"127.0.0.1:{port}"
        finally:
            server.terminate()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(ready: Callable[[], bool], what: str, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            pytest.fail(f"{what} is not there after {seconds} s", pytrace=False)
        time.sleep(0.05)


@pytest.fixture(name="wait_for")
def wait_for_fixture() -> Callable[[Callable[[], bool], str], None]:
    return wait_for


@pytest.fixture
def leftovers(api: "APIClient") -> Callable[[], list[str]]:
    """Names of containers that a run left behind."""
    return lambda: [
        name for one in api.containers(all=True, filters={"label": "kgpu-env.run"}) for name in one["Names"]
    ]


@pytest.fixture
def running() -> Callable[[str], list[int]]:
    """Process ids on this machine whose command line holds a text: a container's processes are seen here."""

    def find(marker: str) -> list[int]:
        return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if holds(path, marker)]

    return find


def holds(path: Path, marker: str) -> bool:
    try:
        return marker in path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:  # it ended in between
        return False
