"""The exported compose file in the hands of docker-compose: Debian's 1.29, and the current 2."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
import yaml

from provision.emit.services import SERVICES
from provision.engine.docker_engine import DockerEngine
from provision.engine.network import Surroundings, build_network
from provision.engine.protocol import Context
from provision.model import Access, Compose, Network
from provision.model.compose import ServiceName
from provision.model.inside import network_environment

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = pytest.mark.engine
EXPORTS = Path(__file__).parents[2] / "data" / "exports"
DIRECTORY_ID = 1000055  # as directory services give them
Client = Callable[..., "subprocess.CompletedProcess[str]"]
Export = Callable[..., None]


@pytest.fixture(params=["1.29", "current"])
def program(request: pytest.FixtureRequest, unstable: Callable[..., Path]) -> str:
    if request.param == "current":
        return str(unstable("docker-compose") / "usr/bin/docker-compose")
    found = shutil.which("docker-compose")
    if found is None:
        pytest.fail("the compose tests need docker-compose: apt-get install docker-compose", pytrace=False)
    return found


@pytest.fixture
def compose(program: str, tmp_path: Path) -> Iterator[Client]:
    name = f"kgputest{time.monotonic_ns()}"

    def run(*words: str, **env: str) -> "subprocess.CompletedProcess[str]":
        command = [program, "-p", name, "-f", str(tmp_path / "compose.yaml"), *words]
        settings = {**os.environ, **env}
        return subprocess.run(
            command, cwd=tmp_path, env=settings, capture_output=True, text=True, timeout=120, check=False
        )

    yield run
    run("down", "--volumes", "--timeout=1")


def test_it_starts_and_its_health_check_passes(
    compose: Client, tensorflow_image: str, tmp_path: Path, api: "APIClient", export: Export
) -> None:
    export(tmp_path, "compose", tensorflow_image, DIRECTORY_ID)
    os.chown(tmp_path, DIRECTORY_ID, DIRECTORY_ID)
    up = compose("up", "-d")
    assert up.returncode == 0, up.stderr
    ident = compose("ps", "-q", "keras").stdout.strip()
    end = time.monotonic() + 90
    while (health := api.inspect_container(ident)["State"]["Health"])["Status"] == "starting":
        assert time.monotonic() < end, health
        time.sleep(1)
    assert health["Status"] == "healthy", health
    assert "trained on the CPU" in health["Log"][0]["Output"]
    made = compose("exec", "-T", "keras", "sh", "-c", "touch /caches/kept made && id -u")
    assert made.stdout.strip() == str(DIRECTORY_ID), made.stderr
    assert owner(tmp_path / "made") == (DIRECTORY_ID, DIRECTORY_ID)


def owner(path: Path) -> tuple[int, int]:
    return path.stat().st_uid, path.stat().st_gid


@pytest.mark.parametrize("ids", [(0, 0), (1000, 1000), (1000055, 1000056)])
def test_files_belong_to_the_developer(
    compose: Client, base: str, tmp_path: Path, export: Export, ids: tuple[int, int]
) -> None:
    """Of whoever exported them; of another developer, whom the environment names."""
    uid, gid = ids
    export(tmp_path, "compose", base, 1000 if uid == DIRECTORY_ID else uid)
    os.chown(tmp_path, uid, gid)
    named = {"PROJECT_UID": str(uid), "PROJECT_GID": str(gid)} if uid == DIRECTORY_ID else {}
    ran = compose("run", "--rm", "-T", "keras", "sh", "-c", "touch made /caches/kept", **named)
    assert (ran.returncode, owner(tmp_path / "made")) == (0, ids), ran.stderr


def test_a_user_above_a_million_opens_the_device_by_its_numeric_group(
    compose: Client, base: str, tmp_path: Path, export: Export, access: Access
) -> None:
    export(tmp_path, "compose", base, DIRECTORY_ID, access)
    ran = compose("run", "--rm", "-T", "keras", "python3", "-c", f"open({access.nodes[0]!r}, 'rb+', buffering=0)")
    assert (ran.returncode == 0) is bool(access.groups), ran.stderr
    assert ("Permission denied" in ran.stdout + ran.stderr) is (not access.groups)


@pytest.mark.parametrize("name", ["nvidia-cdi", "nvidia-runtime", "amd"])
def test_it_reads_the_goldens(compose: Client, tmp_path: Path, name: str) -> None:
    shutil.copy(EXPORTS / name / "compose" / "compose.yaml", tmp_path)
    read = compose("config")
    assert read.returncode == 0, read.stderr


BESIDE = Compose(services=("tensorboard", "mlflow=team.example/mlflow:3"))


@pytest.mark.parametrize("place", [None, "compose.override.yaml"])
def test_services_beside_are_read_alone_and_as_an_override(
    program: str, base: str, tmp_path: Path, export: Export, place: str | None
) -> None:
    export(tmp_path, "compose", base, 1000, compose=BESIDE, place=place)
    if place:
        (tmp_path / "compose.yaml").write_text("services:\n  web:\n    image: mine\n")
    # 1.29 takes the override of docker-compose.yml by itself alone: both clients are told the files.
    files = ["-f", "compose.yaml", *(["-f", place] if place else [])]
    command = [program, "-p", "kgputest", *files, "config"]
    read = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert read.returncode == 0, read.stderr
    services = yaml.safe_load(read.stdout)["services"]
    prefix = "kgpu-" if place else ""
    assert {"keras", "caches", "tensorboard", "mlflow"} == {
        name.removeprefix(prefix) for name in services if name != "web"
    }
    assert services[f"{prefix}keras"]["environment"]["MLFLOW_TRACKING_URI"] == f"http://{prefix}mlflow:5000"
    assert services[f"{prefix}mlflow"]["image"] == "team.example/mlflow:3"


@pytest.fixture(params=["tensorboard", pytest.param("mlflow", marks=pytest.mark.slow)])
def beside(request: pytest.FixtureRequest, engine: DockerEngine, base: str, tag: str) -> tuple[ServiceName, str]:
    """A service, and an image with its real package, as an environment has it."""
    name: ServiceName = request.param
    network = build_network(Network(), os.environ, Surroundings(engine=engine.describe())).files
    mount = "--mount=type=bind,source=network,target=/dev/network "
    settings = " ".join(f"{key}={value}" for key, value in network_environment(network).items())
    lines = [
        f"FROM {base}",
        "RUN python3 -m venv /opt/venv",
        f"RUN {mount if network else ''}{settings} /opt/venv/bin/pip install --no-cache-dir {SERVICES[name].package}",
    ]
    engine.build(Context(files={"Dockerfile": "\n".join(lines).encode(), **network}), tag, lambda _: None, {})
    return name, tag


def test_a_service_beside_answers_and_its_files_are_the_developers(
    compose: Client, program: str, beside: tuple[ServiceName, str], tmp_path: Path, export: Export
) -> None:
    assert program
    name, image = beside
    export(tmp_path, "compose", image, DIRECTORY_ID, compose=Compose(services=(name,)))
    os.chown(tmp_path, DIRECTORY_ID, DIRECTORY_ID)
    up = compose("up", "-d", name)
    assert up.returncode == 0, up.stderr
    end = time.monotonic() + 180
    while not answers(SERVICES[name].port):
        assert time.monotonic() < end, compose("logs", name).stdout
        time.sleep(1)
    assert all(owner(path) == (DIRECTORY_ID, DIRECTORY_ID) for path in tmp_path.glob("ml*"))
    assert name == "tensorboard" or (tmp_path / "mlflow.db").is_file()


def answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/", timeout=5).ok
    except requests.RequestException:
        return False
