"""The exported devcontainer in the hands of the reference client."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provision.model import Access

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = pytest.mark.engine
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
            return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

        return run

    yield run_as
    label = f"devcontainer.local_folder={project}"
    for one in api.containers(all=True, filters={"label": label}):
        api.remove_container(one["Id"], force=True)
        if one["Image"].startswith("vsc-"):  # the client's own, with the developer's ids
            api.remove_image(one["Image"], force=True)


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
    export(project, "devcontainer", tensorflow_image, 0, Access(method="device-nodes", nodes=("/dev/kgpu-none",)))
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
