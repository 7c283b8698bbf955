import gc
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from loopback import Authority, tls_in_front_of

from provision.engine.docker import connect
from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import Access, Run
from provision.errors import EngineError

pytestmark = pytest.mark.engine


def test_docker_is_described(engine: DockerEngine) -> None:
    found = engine.describe()
    assert found.name == "docker"
    assert found.version[0].isdecimal()
    assert found.buildkit
    assert "runc" in found.runtimes
    assert found.storage
    assert found.address.startswith("unix://")


def test_podman_is_described(podman: str) -> None:
    engine = connect(podman)
    try:
        found = engine.describe()
        assert (found.name, found.buildkit, found.address) == ("podman", False, podman)
        assert found.version[0].isdecimal()
    finally:
        engine.close()


def test_podman_is_not_trusted_with_device_requests(podman: str) -> None:
    engine = connect(podman)
    try:
        version = engine.describe().version
        ran = engine.run(Run(image="x", command=("true",), access=Access(runtime_ids=("all",))))
        assert f"Podman {version} ignores device requests" in ran.refused
    finally:
        engine.close()


def test_nothing_answers_names_the_places(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        connect(f"unix://{tmp_path}/none.sock")
    assert caught.value.code == "KGE-301"
    assert f"{tmp_path}/none.sock (No such file or directory)" in caught.value.cause


def test_a_dead_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
    with pytest.raises(EngineError, match="no container engine answers") as caught:
        connect(environment={"DOCKER_HOST": f"unix://{tmp_path}/s"})
    assert "Connection refused" in caught.value.cause


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://x", "unix://", "", "tcp://"])
def test_bad_addresses(address: str) -> None:
    with pytest.raises(EngineError) as caught:
        connect(environment={"DOCKER_HOST": address} if address else {"DOCKER_HOST": "x"})
    assert caught.value.code == "KGE-301"


STRANGER = """
import socket, sys
with socket.socket(socket.AF_UNIX) as other:
    other.bind(sys.argv[1])
    other.listen()
    print("ready", flush=True)
    while True:
        taken, _ = other.accept()
        taken.send(b"SSH-2.0-none\\r\\n")
        taken.close()
"""


def test_something_else_behind_the_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with subprocess.Popen([sys.executable, "-c", STRANGER, path], stdout=subprocess.PIPE) as stranger:
        assert stranger.stdout is not None
        stranger.stdout.readline()
        with pytest.raises(EngineError) as caught:
            connect(f"unix://{path}")
        stranger.terminate()
    assert caught.value.code == "KGE-301"


SCRIPT = """
import os, sys
from provision.errors import EngineError
from provision.engine.docker import connect
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
try:
    connect(sys.argv[1])
except EngineError as error:
    print(error.code, int(error.exit_code), error.fix)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_socket_without_permission(engine: DockerEngine) -> None:
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, engine.describe().address], capture_output=True, text=True, check=False
    )
    assert result.stderr == ""
    assert result.stdout.startswith("KGE-302 5 `sudo usermod -aG docker $USER`")


# The SDK leaves the socket of a failed connection to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_engine_that_dies_is_an_engine_error(tmp_path: Path, podman: str) -> None:
    engine = connect(podman)
    try:
        engine._api.base_url = "http+docker://localhost"  # type: ignore[attr-defined] # noqa: SLF001 - see below
        engine._api._custom_adapter.socket_path = f"{tmp_path}/gone"  # type: ignore[attr-defined] # noqa: SLF001 - stands for an engine that is gone
        engine._api._custom_adapter.pools.clear()  # type: ignore[attr-defined] # noqa: SLF001 - the same
        with pytest.raises(EngineError) as caught:
            engine.image("x")
        assert caught.value.code == "KGE-304"
    finally:
        engine.close()
    del caught
    gc.collect()


@pytest.fixture
def context(tmp_path: Path, engine: DockerEngine) -> Iterator[dict[str, str]]:
    """The environment of a user whose context is the engine behind TLS, whose authority only the context knows."""
    authority = Authority(tmp_path / "authority")
    docker, ident = tmp_path / "docker", sha256(b"far").hexdigest()
    with tls_in_front_of(engine.describe().address.removeprefix("unix://"), authority) as port:
        meta = {"Name": "far", "Metadata": {}, "Endpoints": {"docker": {"Host": f"tcp://127.0.0.1:{port}"}}}
        for place, content in (
            (f"contexts/meta/{ident}/meta.json", json.dumps(meta).encode()),
            (f"contexts/tls/{ident}/docker/ca.pem", authority.bundle.read_bytes()),
            ("config.json", b'{"currentContext": "far"}'),
        ):
            (docker / place).parent.mkdir(parents=True, exist_ok=True)
            (docker / place).write_bytes(content)
        yield {"DOCKER_CONFIG": str(docker)}


def test_dockers_context_is_taken_with_its_authority(context: dict[str, str]) -> None:
    found = connect(environment=context)
    try:
        assert found.describe().name == "docker"
        assert found.describe().address.startswith("tcp://127.0.0.1:")
    finally:
        found.close()


def test_without_the_contexts_authority_the_engine_is_not_trusted(context: dict[str, str], tmp_path: Path) -> None:
    (known,) = Path(context["DOCKER_CONFIG"]).rglob("ca.pem")
    known.write_bytes(Authority(tmp_path / "other").bundle.read_bytes())
    with pytest.raises(EngineError) as caught:
        connect(environment=context)
    assert caught.value.code == "KGE-301"
    assert "certificate verify failed" in caught.value.cause
    assert "docker's context far" in caught.value.cause
