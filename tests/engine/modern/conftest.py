"""The current Docker of Debian's unstable suite, beside the machine's own engine and apart from it.

It runs in a network namespace of its own, so that its bridge and firewall rules are nobody else's and end with it.
It reaches nothing outside; a registry on its bridge stands in for the network. Twice: with the graph driver that
Docker 28 starts with, and with containerd's image store.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from gpu_docker import PACKAGES, Daemon

from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import BuildStep, Built, Context

if TYPE_CHECKING:
    from docker import APIClient

NOT_NEEDED = ("doc", "locale", "man", "perl")  # of /usr/share, a third of the base


def fail(text: str) -> None:
    pytest.fail(f"the tests with a current Docker cannot be prepared: {text}", pytrace=False)


@pytest.fixture(scope="session")
def programs(unstable: Callable[..., Path]) -> Path:
    """The folder of the unpacked packages; runc is the machine's."""
    if os.geteuid() != 0:
        fail("they start a daemon and need root")
    return unstable(*PACKAGES)


@pytest.fixture
def daemon(programs: Path) -> Callable[..., Daemon]:
    """Starts one more; the test ends it."""
    return lambda **features: Daemon(programs, features=features)


class Modern(NamedTuple):
    """A current Docker that answers."""

    daemon: Daemon
    engine: DockerEngine
    store: str  # graph or containerd
    spec: Callable[[str, dict[str, dict[str, object]]], None]  # writes a CDI specification: kind, edits by device

    @property
    def api(self) -> "APIClient":
        return self.engine._api  # noqa: SLF001 - the tests' only way to see what is left

    @property
    def environment(self) -> dict[str, str]:
        return {"DOCKER_HOST": self.daemon.address}


@pytest.fixture(scope="session", params=["graph", "containerd"])
def docker28(programs: Path, request: pytest.FixtureRequest) -> Iterator[Modern]:
    store: str = request.param
    daemon = Daemon(programs, features={"containerd-snapshotter": True} if store == "containerd" else {})
    engine = daemon.wait()

    def spec(kind: str, edits: dict[str, dict[str, object]]) -> None:
        devices = [{"name": name, "containerEdits": edit} for name, edit in edits.items()]
        text = json.dumps({"cdiVersion": "0.6.0", "kind": kind, "devices": devices})
        (daemon.cdi / f"{kind.replace('/', '-')}.json").write_text(text)

    yield Modern(daemon, engine, store, spec)
    engine.close()
    daemon.end()


@pytest.fixture(scope="session")
def rootfs(engine: DockerEngine, base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The root file system of the machine's own base, as a tar file."""
    api = engine._api  # noqa: SLF001 - the engine of the product has no export
    path = tmp_path_factory.mktemp("rootfs") / "root.tar"
    made = api.create_container(base, "true")["Id"]
    try:
        with path.open("wb") as file:
            file.writelines(api.export(made))
    finally:
        api.remove_container(made)
    subprocess.run(["tar", "--delete", "-f", str(path), *(f"usr/share/{name}" for name in NOT_NEEDED)], check=True)
    yield path
    path.unlink()


@pytest.fixture(scope="session")
def debian(docker28: Modern, rootfs: Path, base: str) -> str:
    """A Debian with Python on the current Docker, by the name under which the engine's own tests look for it."""
    docker28.engine.import_image(str(rootfs), base, {"made": 'of "a" $TAR'})
    return base


@pytest.fixture
def name(docker28: Modern) -> Iterator[str]:
    """A tag whose image is removed at the end."""
    from docker.errors import ImageNotFound  # noqa: PLC0415 - slow to import

    tag = f"kgpu-test/t{time.monotonic_ns()}:1"
    yield tag
    try:
        docker28.api.remove_image(tag, force=True)
    except ImageNotFound:
        return


@pytest.fixture
def make(docker28: Modern, debian: str, name: str) -> Callable[..., Built]:
    """Build lines on top of the Debian."""

    def run(*lines: str, seen: list[BuildStep] | None = None, **files: bytes) -> Built:
        text = "\n".join((f"FROM {debian}", *lines, ""))
        report = seen.append if seen is not None else lambda _: None
        return docker28.engine.build(Context(files={"Dockerfile": text.encode(), **files}), name, report, {})

    return run
