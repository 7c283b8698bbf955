"""The exported files in the hands of the clients that they are for. No GPU is here: the device is a made-up one."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provision import model
from provision.catalogue import load
from provision.emit import Order, emit
from provision.engine.protocol import Access
from provision.model import Host, Request, Vendor
from provision.render import render
from provision.resolve import resolve

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = pytest.mark.engine
ROOT = Path(__file__).parents[2]
EXPORTS = ROOT / "tests" / "data" / "exports"
CLIENT = "@devcontainers/cli@0.89.0"
SOCKET = Path("/var/run/docker.sock")
DIRECTORY_ID = 1000055  # as directory services give them
GROUP = 987654  # of the made-up device: no group of any machine
QUADLET = (os.environ.get("QUADLET_GENERATOR", "/none"), "/usr/libexec/podman/quadlet", "/usr/lib/podman/quadlet")
KUBERNETES = ("1.25.0", "1.31.0", "1.37.0")
Client = Callable[..., "subprocess.CompletedProcess[str]"]


def order(image: str, user: model.User, access: Access | None = None) -> Order:
    request = Request(vendor=Vendor.CPU, user=user)
    stack = resolve(load(), Host(), request)
    plan = render(load(), stack, request)
    return Order(stack=stack, request=request, host=Host(), access=access or Access(), plan=plan, image=image)


def write(folder: Path, kind: str, made: Order) -> None:
    for name, text in emit(kind, made).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def user(uid: int) -> model.User:
    return model.User(name="root" if uid == 0 else "keras", uid=uid, gid=uid)


def need_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("to be another user, this test has to be root")


@pytest.fixture(scope="session")
def program() -> str:
    """The reference client of the development container specification."""
    found = shutil.which("devcontainer")
    if found:
        return found
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm, or @devcontainers/cli on the PATH")
    folder = ROOT / ".state" / "node"
    installed = folder / "node_modules" / ".bin" / "devcontainer"
    if not installed.exists():
        subprocess.run(
            [npm, "install", "--silent", "--no-audit", "--no-fund", f"--prefix={folder}", CLIENT], check=True
        )
    return str(installed)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may enter; every start of pytest closes its own ones to others."""
    with tempfile.TemporaryDirectory(prefix="kgpu-test-") as folder:
        place = Path(folder)
        place.chmod(0o755)
        (place / "project").mkdir()
        yield place


@pytest.fixture
def client(program: str, place: Path, api: "APIClient") -> Iterator[Callable[[int], Client]]:
    """The client as a user with an id of its own, who has a name, a home and the engine's group."""
    project = place / "project"

    def run_as(uid: int) -> Client:
        home = place / "home"
        home.mkdir()
        names = place / "passwd"
        names.write_text(f"{Path('/etc/passwd').read_text()}\ndeveloper:x:{uid}:{uid}::{home}:/bin/sh\n")
        for path in (home, project, *project.rglob("*")):
            os.chown(path, uid, uid)
        named = f'mount --bind {names} /etc/passwd && exec "$@"'
        become = ["setpriv", f"--reuid={uid}", f"--regid={uid}", f"--groups={SOCKET.stat().st_gid}"]
        before = ["unshare", "--mount", "sh", "-c", named, "-", *become] if uid else []

        def run(*words: str) -> "subprocess.CompletedProcess[str]":
            command = [*before, program, words[0], f"--workspace-folder={project}", *words[1:]]
            environment = {**os.environ, "HOME": str(home)}
            return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

        return run

    yield run_as
    label = f"devcontainer.local_folder={project}"
    for one in api.containers(all=True, filters={"label": label}):
        api.remove_container(one["Id"], force=True)
        if one["Image"].startswith("vsc-"):  # the client's own, with the developer's ids
            api.remove_image(one["Image"], force=True)


@pytest.mark.parametrize("uid", [0, 1000, DIRECTORY_ID])
def test_a_devcontainer_opens_and_its_files_are_the_developers(
    client: Callable[[int], Client], tensorflow_image: str, place: Path, uid: int
) -> None:
    need_root()
    project = place / "project"
    write(project, "devcontainer", order(tensorflow_image, user(uid and 1000)))
    run = client(uid)
    read = json.loads(run("read-configuration").stdout)["configuration"]
    assert read["remoteUser"] == ("keras" if uid else "root")
    up = run("up")
    assert json.loads(up.stdout.splitlines()[-1])["outcome"] == "success", up.stdout + up.stderr
    assert "trained on the CPU, loss" in up.stdout + up.stderr
    # By a file: under load the client was seen to end before its own stdout was written.
    inside = run("exec", "sh", "-c", "(id -u; command -v python3) > made && touch /caches/kept")
    assert (project / "made").read_text().split() == [str(uid), "/opt/venv/bin/python3"], inside.stderr
    for path in (project / "made", place / "home" / ".cache" / "kgpu-env-containers" / "kept"):
        assert (path.stat().st_uid, path.stat().st_gid) == (uid, uid)


def test_a_gpus_configuration_is_refused_without_one_and_the_other_opens(
    client: Callable[[int], Client], tensorflow_image: str, place: Path
) -> None:
    need_root()
    project = place / "project"
    for name, text in emit("devcontainer", order(tensorflow_image, user(0), Access(method="cdi"))).items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace('"runArgs": [', '"runArgs": ["--device=/dev/kgpu-none",', 1))
    run = client(0)
    shutil.copy(project / ".devcontainer" / "quick_check.py", project / ".devcontainer" / "without-gpu")
    assert json.loads(run("up").stdout.splitlines()[-1])["outcome"] == "error"
    second = project / ".devcontainer" / "without-gpu" / "devcontainer.json"
    second.write_text(second.read_text().replace('"--device=/dev/kgpu-none",', ""))
    up = run("up", f"--config={second}")
    assert json.loads(up.stdout.splitlines()[-1])["outcome"] == "success", up.stdout + up.stderr


@pytest.fixture
def compose(tmp_path: Path) -> Iterator[Client]:
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("needs docker-compose: apt-get install docker-compose")
    name = f"kgputest{time.monotonic_ns()}"

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [program, "-p", name, "-f", str(tmp_path / "compose.yaml"), *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    yield run
    run("down", "--volumes", "--timeout=1")


def test_compose_starts_and_its_health_check_passes(
    compose: Client, tensorflow_image: str, tmp_path: Path, api: "APIClient"
) -> None:
    write(tmp_path, "compose", order(tensorflow_image, user(DIRECTORY_ID)))
    if os.geteuid() == 0:
        os.chown(tmp_path, DIRECTORY_ID, DIRECTORY_ID)
    up = compose("up", "-d")
    assert up.returncode == 0, up.stderr
    ident = compose("ps", "-q", "keras").stdout.strip()
    end = time.monotonic() + 90
    while (health := api.inspect_container(ident)["State"]["Health"])[
        "Status"
    ] == "starting" and time.monotonic() < end:
        time.sleep(1)
    assert health["Status"] == "healthy", health
    assert "trained on the CPU" in health["Log"][0]["Output"]
    assert compose("exec", "-T", "keras", "sh", "-c", "touch /caches/kept && id -u").stdout.strip() == str(DIRECTORY_ID)


@pytest.mark.parametrize("name", ["nvidia-cdi", "nvidia-runtime", "amd"])
def test_compose_reads_the_goldens(compose: Client, tmp_path: Path, name: str) -> None:
    shutil.copy(EXPORTS / name / "compose" / "compose.yaml", tmp_path)
    read = compose("config")
    assert read.returncode == 0, read.stderr


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_schemas_take_the_goldens(version: str) -> None:
    program = shutil.which("kubernetes-validate") or str(Path(sys.executable).with_name("kubernetes-validate"))
    if not Path(program).exists():
        pytest.skip("needs kubernetes-validate: pip install kubernetes-validate")
    files = [path for path in EXPORTS.glob("*/kubernetes/*.yaml") if path.name != "kustomization.yaml"]
    assert len(files) >= 18
    command = [program, "--strict", "--quiet", "-k", version, *map(str, files)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("name", ["nvidia-cdi", "amd", "amd-podman", "cpu"])
def test_podmans_generator_takes_the_quadlets(tmp_path: Path, name: str) -> None:
    found = [path for path in map(Path, QUADLET) if path.exists()]
    if not found:
        pytest.skip("needs Podman 4.6 or newer, whose generator reads quadlets (Debian 12 has 4.3)")
    shutil.copytree(EXPORTS / name / "quadlet", tmp_path, dirs_exist_ok=True)
    command = [str(found[0]), "-dryrun"]
    environment = {**os.environ, "QUADLET_UNIT_DIRS": str(tmp_path)}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, "---keras.service---" in ran.stdout) == (0, True), ran.stderr
    started = next(line for line in ran.stdout.splitlines() if line.startswith("ExecStart="))
    for line in (tmp_path / "keras.container").read_text().splitlines():
        key, _, value = line.partition("=")
        if key in {"AddDevice", "PodmanArgs", "Image", "HealthCmd"}:
            assert value in started, line


@pytest.fixture
def device() -> Iterator[Path]:
    """A character device, /dev/null's twin, of mode 0660 and a group that only its number names."""
    need_root()
    path = Path(f"/dev/kgpu-test-{time.monotonic_ns()}")
    os.mknod(path, stat.S_IFCHR | 0o660, os.makedev(1, 3))
    path.chmod(0o660)  # whatever the umask is
    os.chown(path, 0, GROUP)
    yield path
    path.unlink()


@pytest.mark.parametrize("groups", [(GROUP,), ()], ids=["with-group", "without"])
def test_a_user_above_a_million_opens_the_device_by_its_numeric_group(
    base: str, device: Path, tmp_path: Path, groups: tuple[int, ...]
) -> None:
    if shutil.which("docker") is None:
        pytest.skip("needs the docker command: apt-get install docker.io")
    access = Access(method="device-nodes", nodes=(str(device),), groups=groups)
    write(tmp_path, "shell", order(base, user(DIRECTORY_ID), access))
    command = ["sh", "run.sh", "python3", "-c", f"open({str(device)!r}, 'rb+', buffering=0)"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode == 0) is bool(groups), ran.stderr
    assert ("Permission denied" in ran.stderr) is (not groups)
