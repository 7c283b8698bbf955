"""A fleet of both image stores: an image that either builds, each node's engine by its own id of it, no other image.

The node `new` runs a current Docker with containerd's image store, the default of Docker 29, `old` the Docker of Debian
12. The image has no framework, so that what trains in it is not proved: here the record tells whose image it is.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from gpu_docker import Daemon
from hollow import hollow_base, hollow_plan
from nodes import ENGINE, Nodes, image, network_name

from provision.engine.docker_engine import DockerEngine
from provision.fleet.images import ids_of
from provision.fleet.plan import read_plan
from provision.model import decode, encode
from provision.records import attest, statement
from provision.resources import folder

if TYPE_CHECKING:
    from docker import APIClient

KgpuEnv = Any  # of the conftest one folder up
pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]
TAG = f"kgpu-test/stores{os.getpid()}:1"
HOLLOW = TAG.replace("/stores", "/hollow")
OTHER = f"sha256:{'1' * 64}"


@pytest.fixture(scope="module")
def nodes(engine: DockerEngine, base: str, programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    client: APIClient = engine._api  # noqa: SLF001 - the tests' only way to start others' containers
    made = Nodes(client, image(client, base, ENGINE, "docker-node"), tmp_path_factory.mktemp("n"), network_name("st"))
    try:
        made.add("old", engine=True)
        made.add("new", engine=programs)
        for name in ("old", "new"):
            made.wait(name, "docker", "info")
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module", params=["old", "new"])
def builder(
    request: pytest.FixtureRequest,
    engine: DockerEngine,
    base: str,
    programs: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, str]]:
    """The environment in which an engine of either store builds, with the base of the plan."""
    hollow_base(engine, base, HOLLOW)
    daemon = Daemon(programs, features={"containerd-snapshotter": True}) if request.param == "new" else None
    try:
        if daemon:
            archive = tmp_path_factory.mktemp("hollow") / "hollow.tar"
            engine.save(HOLLOW, archive)
            other = daemon.wait()
            with archive.open("rb") as file:
                other.load(file)
            other.close()
        yield {"DOCKER_HOST": daemon.address} if daemon else {}
    finally:
        if daemon:
            daemon.end()
        for name in (HOLLOW, TAG):
            engine.remove(name)


def ids(nodes: Nodes) -> dict[str, str]:
    """What each node's engine calls the image."""
    return {name: nodes.run(name, "docker", "inspect", "--format", "{{.Id}}", TAG)[1].strip() for name in nodes.ids}


def test_an_image_of_either_store_is_itself_on_both_and_no_other_is_taken(
    nodes: Nodes, builder: dict[str, str], kgpu_env_in: Callable[[Path], KgpuEnv], tmp_path: Path
) -> None:
    kgpu_env, place = kgpu_env_in(tmp_path), tmp_path / "plan.json"
    place.write_text(encode(hollow_plan(HOLLOW, TAG, ("new", "old"))))
    written = []
    for _ in range(2):  # the second time all is there
        ended = kgpu_env("fleet", "build", place, "--bundle", tmp_path / "bundles", env=builder)
        assert ended.returncode == 0, ended.stderr
        written.append(next((tmp_path / "bundles").iterdir()).stat().st_mtime_ns)
    assert written[0] == written[1]
    [built] = read_plan(place).images
    for name in nodes.ids:  # both have another image of that name
        assert nodes.run(name, "sh", "-c", f"tar c /etc/hostname | docker import - {TAG}")[0] == 0

    def applied() -> dict[str, tuple[str, bool]]:
        ended = kgpu_env("fleet", "apply", place, "-i", nodes.inventory, "--json")
        found = json.loads(ended.stdout)["nodes"]
        assert ended.returncode == 7, found
        return {one["name"]: (one["outcome"], one["shipped"]) for one in found}

    assert applied() == {"new": ("not proved", True), "old": ("not proved", True)}
    seen = ids(nodes)
    assert seen["new"] != seen["old"]
    assert set(seen.values()) <= set(ids_of(built))
    for name, ident in seen.items():
        envelope = decode((tmp_path / "records" / f"{name}.json").read_bytes(), attest.Envelope)
        assert statement.read(attest.contents(envelope)).image_id == ident
    assert applied() == {"new": ("not proved", False), "old": ("not proved", False)}
    # What was loaded is none of the ids that are wanted: the node's engine tells, by the role alone as well.
    said = play(nodes, tmp_path, {"kgpu_env_archive": str(tmp_path / built.bundle), "kgpu_env_image_ids": [OTHER]})
    told = [f"KGE-961: the engine has {ident} as {TAG}, and {OTHER} was to be there" for ident in seen.values()]
    assert all(one in said for one in told), said
    # Here it is told before a node is touched.
    place.write_text(place.read_text().replace(seen["old"], OTHER))
    ended = kgpu_env("fleet", "apply", place, "-i", nodes.inventory, "--json")
    assert (ended.returncode, json.loads(ended.stdout)["code"]) == (3, "KGE-221"), ended.stdout


def play(nodes: Nodes, place: Path, variables: dict[str, Any]) -> str:
    """Return what Ansible says of the role on all nodes."""
    (place / "role.yml").write_text("[{hosts: all, gather_facts: false, roles: [kgpu_env]}]")
    told = json.dumps({"kgpu_env_image": TAG, "kgpu_env_needed": False, **variables})
    environment = {**os.environ, "ANSIBLE_ROLES_PATH": str(folder("templates") / "ansible" / "roles")}
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        "-i",
        str(nodes.inventory),
        "-e",
        told,
        "role.yml",
    ]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    return f"{done.stdout}{done.stderr}"
