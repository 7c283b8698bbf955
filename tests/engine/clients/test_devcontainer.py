"""The exported devcontainer in the hands of the reference client."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from loopback import private_index, wheel

from provision.engine.network import asked_network, build_network
from provision.model import Access, DevContainer, Network

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = pytest.mark.engine
SECRET = "index-s3cret"
DIRECTORY_ID = 1000055  # as directory services give them
Client = Callable[..., "subprocess.CompletedProcess[str]"]
Export = Callable[..., None]


@pytest.fixture
def project(place: Path) -> Path:
    (place / "project").mkdir()
    return place / "project"


@pytest.fixture
def client(
    program: str, project: Path, become: Callable[[int], list[str]], api: "APIClient"
) -> Iterator[Callable[[int], Client]]:
    """The client as a user with an id of its own."""

    def run_as(uid: int) -> Client:
        before = become(uid)
        for path in (project, *project.rglob("*")):
            os.chown(path, uid, uid)

        def run(*words: str) -> "subprocess.CompletedProcess[str]":
            command = [*before, program, words[0], f"--workspace-folder={project}", *words[1:]]
            seconds = 900 if words[0] == "up" else 300  # a build is part of it
            return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)

        return run

    yield run_as
    label = f"devcontainer.local_folder={project}"
    made = set()
    for one in api.containers(all=True, filters={"label": label}):
        api.remove_container(one["Id"], force=True)
        made |= set(re.findall(r"^vsc-project-[0-9a-f]+", one["Image"]))  # the client's own, with the developer's ids
    for name in [name for image in api.images() for name in image["RepoTags"] or () if name.startswith(tuple(made))]:
        api.remove_image(name, force=True)


@pytest.mark.parametrize("uid", [0, 1000, DIRECTORY_ID])
def test_it_opens_and_its_files_are_the_developers(
    client: Callable[[int], Client], tensorflow_image: str, project: Path, export: Export, uid: int
) -> None:
    export(project, "devcontainer", tensorflow_image, uid)
    run = client(uid)
    read = json.loads(run("read-configuration").stdout)["configuration"]
    assert read["remoteUser"] == ("keras" if uid else "root")
    up = run("up")
    assert json.loads(up.stdout.splitlines()[-1])["outcome"] == "success", up.stdout + up.stderr
    assert "trained on the CPU, loss" in up.stdout + up.stderr
    # By a file: under load the client was seen to end before its own stdout was written.
    inside = run("exec", "sh", "-c", "(id -u; command -v python3) > made && touch /caches/kept")
    assert (project / "made").read_text().split() == [str(uid), "/opt/venv/bin/python3"], inside.stderr
    cache = project.parent / f"home-{uid}" / ".cache" / "kgpu-env-containers"
    for path in (project / "made", cache / "kept"):
        assert (path.stat().st_uid, path.stat().st_gid) == (uid, uid)


def test_a_gpus_configuration_is_refused_without_one_and_the_other_opens(
    client: Callable[[int], Client], tensorflow_image: str, project: Path, export: Export
) -> None:
    access = Access(method="device-nodes", nodes=("/dev/kgpu-none",))
    export(project, "devcontainer", tensorflow_image, 0, access, devcontainer=DevContainer(features=("./greeting",)))
    for name, text in {"devcontainer-feature.json": FEATURE, "install.sh": INSTALL}.items():
        path = project / ".devcontainer" / "greeting" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    run = client(0)
    assert json.loads(run("up").stdout.splitlines()[-1])["outcome"] == "error"
    up = run("up", f"--config={project / '.devcontainer/without-gpu/devcontainer.json'}")
    assert json.loads(up.stdout.splitlines()[-1])["outcome"] == "success", up.stdout + up.stderr


def test_a_proof_that_fails_is_seen(
    client: Callable[[int], Client], tensorflow_image: str, project: Path, export: Export
) -> None:
    """A GPU is expected and none is there: the client's last step says so, and the creation fails."""
    export(project, "devcontainer", tensorflow_image, 0)
    path = project / ".devcontainer" / "devcontainer.json"
    path.write_text(path.read_text().replace("--expect=cpu", "--expect=gpu"))
    up = client(0)("up")
    told = json.loads(up.stdout.splitlines()[-1])
    assert (told["outcome"], "quick_check.py --expect=gpu" in told["message"]) == ("error", True), told
    assert "FAILED: TensorFlow sees no GPU" in up.stdout + up.stderr


@pytest.mark.slow
def test_it_builds_the_whole_environment_by_buildx(
    client: Callable[[int], Client], unstable: Callable[..., Path], project: Path, export: Export, base: str
) -> None:
    plugins = project.parent / "home-1000" / ".docker" / "cli-plugins"
    [program] = unstable("docker-buildx").rglob("cli-plugins/docker-buildx")
    export(project, "devcontainer", None, 1000, network=build_network(Network(), os.environ).files, base=base)
    run = client(1000)
    plugins.mkdir(parents=True)
    (plugins / "docker-buildx").symlink_to(program)
    for path in (plugins.parent, plugins):
        os.chown(path, 1000, 1000)
    up = run("up")
    assert json.loads(up.stdout.splitlines()[-1])["outcome"] == "success", up.stdout + up.stderr
    assert "trained on the CPU, loss" in up.stdout + up.stderr


OWN = '{"image": "mine"}\n'
FEATURE = """{"id": "greeting", "version": "1.0.0", "name": "Greeting", "options": {"word": {"type": "string"}}}"""
# As a Feature's script runs: as root, while the image is built, with its options and the developer's name.
INSTALL = """#!/bin/sh
printf '#!/bin/sh\\necho %s %s\\n' "$WORD" "$_REMOTE_USER" > /usr/local/bin/greeting && chmod +x /usr/local/bin/greeting
"""


class Opened:
    """A container that the client opened, from a configuration of its own folder beside the project's."""

    def __init__(self, run: Client, project: Path, config: Path) -> None:
        self.run, self.project, self.config = run, project, f"--config={config}"
        up = run("up", self.config)
        assert json.loads(up.stdout.splitlines()[-1])["outcome"] == "success", up.stdout + up.stderr

    def __call__(self, script: str) -> str:
        """Run lines inside and return what they wrote; by a file, which the client does not lose under load."""
        done = self.run("exec", self.config, "sh", "-c", f"({script}) > made 2>&1; echo $? >> made")
        *said, code = (self.project / "made").read_text().splitlines()
        assert code == "0", "\n".join(said) + done.stderr
        return "\n".join(said)


@pytest.fixture
def opened(
    client: Callable[[int], Client], tensorflow_image: str, project: Path, export: Export
) -> Callable[..., Opened]:
    """The container of an export into a project that has a configuration already."""

    def start(uid: int, files: dict[str, str] | None = None, **more: object) -> Opened:
        folder = project / ".devcontainer"
        (folder / "kgpu-env").mkdir(parents=True)
        (folder / "devcontainer.json").write_text(OWN)
        place = ".devcontainer/kgpu-env/devcontainer.json"
        export(project, "devcontainer", tensorflow_image, uid, place=place, **more)
        for name, text in (files or {}).items():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_text(text)
        found = Opened(client(uid), project, project / place)
        assert (folder / "devcontainer.json").read_text() == OWN
        return found

    return start


def test_beside_the_projects_own_with_git_pip_sudo_and_a_feature(opened: Callable[..., Opened], project: Path) -> None:
    for name, content in {**wheel("guest", "1.0"), **wheel("six", "99.0", "__version__ = '99.0'")}.items():
        (project / name).write_bytes(content)
    here = opened(
        DIRECTORY_ID,
        {
            ".devcontainer/kgpu-env/greeting/devcontainer-feature.json": FEATURE,
            ".devcontainer/kgpu-env/greeting/install.sh": INSTALL,
        },
        devcontainer=DevContainer(sudo=True, features=("./greeting,word=hello",)),
    )
    assert (
        here("id -u; git init -q . && git status --short --branch | head -1")
        == f"{DIRECTORY_ID}\n## No commits yet on master"
    )
    assert here("greeting") == "hello keras"
    # What is new, and another version of what the image has.
    here("pip install -q --no-index --no-deps ./guest-1.0-py3-none-any.whl ./six-99.0-py3-none-any.whl")
    assert here("python3 -c 'import guest, six; print(six.__version__)'") == "99.0"
    assert here("sudo id -u") == "0"
    here("sudo apt-get update && sudo apt-get install -y --no-install-recommends hello && hello")


def test_nothing_gains_rights_where_nobody_asked(opened: Callable[..., Opened]) -> None:
    here = opened(1000)
    rights = dict(line.split(":\t") for line in here("cat /proc/self/status").splitlines())
    assert (rights["NoNewPrivs"], rights["CapBnd"]) == ("1", "0" * 16)
    assert here("command -v sudo || echo none") == "none"


def test_pip_reaches_a_private_index_by_a_login_that_no_file_of_the_export_has(
    opened: Callable[..., Opened], project: Path, api: "APIClient"
) -> None:
    gateway = api.inspect_network("bridge")["IPAM"]["Config"][0]["Gateway"]
    with private_index(wheel("company_models", "1.0"), f"me:{SECRET}", host=gateway) as port:
        network = Network(index_url=f"http://me:{SECRET}@{gateway}:{port}/simple")
        login = f"machine {gateway} login me password {SECRET}\n"
        here = opened(1000, {".devcontainer/kgpu-env/network/netrc": login}, network=asked_network(network).files)
        here(f"pip install -q --trusted-host {gateway} company-models && python3 -c 'import company_models'")
    holders = [path for path in project.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert [path.name for path in holders] == ["netrc"]
    assert here("git init -q . && git add -A . && git ls-files | grep -c netrc || true") == "0"
    [one] = api.containers(filters={"label": f"devcontainer.local_folder={project}"})
    history = api.history(one["Image"])  # type: ignore[no-untyped-call] # as the SDK has it
    assert SECRET not in json.dumps([api.inspect_container(one["Id"]), history])
