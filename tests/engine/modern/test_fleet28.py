"""A fleet of both image stores: an image that either builds, each node's engine by its own id of it, no other image.

The node `new` runs a current Docker with containerd's image store, the default of Docker 29, `old` the Docker of Debian
12. The image has no framework, so that what trains in it is not proved: here the record tells whose image it is.
By default the current Docker builds, and a registry ships: copying bundles of 200 MB takes minutes.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from gpu_docker import Daemon
from hollow import hollow_base, hollow_plan
from nodes import ENGINE, Nodes, image, network_name, reached_from
from recorded import PROOFS
from registries import registry_in

from provision.engine.docker_engine import DockerEngine
from provision.fleet.images import ids_of
from provision.fleet.plan import read_plan
from provision.model import decode, encode
from provision.model.fleet import FleetImage
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


class Builder(NamedTuple):
    """An engine that builds, and what of it a command is told."""

    environment: dict[str, str]
    process: int  # in whose network it is; 0: this machine's


@pytest.fixture(scope="module")
def builder(
    request: pytest.FixtureRequest,
    engine: DockerEngine,
    base: str,
    programs: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Builder]:
    """An engine of either store, with the base of the plan."""
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
        yield Builder({"DOCKER_HOST": daemon.address}, daemon.process.pid) if daemon else Builder({}, 0)
    finally:
        if daemon:
            daemon.end()
        names = [name for one in engine._api.images() for name in one["RepoTags"] or ()]  # noqa: SLF001 - as above
        for name in (HOLLOW, *(name for name in names if name.endswith(TAG))):  # pushed as well
            engine.remove(name)


class Fleet:
    """The plan of both nodes, in a folder of its own."""

    def __init__(self, nodes: Nodes, kgpu_env: KgpuEnv, folder: Path, builder: Builder) -> None:
        self.nodes, self.kgpu_env, self.folder, self.builder = nodes, kgpu_env, folder, builder
        self.plan = folder / "plan.json"
        self.plan.write_text(encode(hollow_plan(HOLLOW, TAG, ("new", "old"))))
        for name in nodes.ids:  # each has another image of that name
            words = f"docker image rm -f $(docker images -q); tar c /etc/hostname | docker import - {TAG}"
            assert nodes.run(name, "sh", "-c", f"{words}; rm -rf {PROOFS}")[0] == 0

    def build(self, *words: object) -> FleetImage:
        """Build, and return the image of the plan."""
        ended = self.kgpu_env("fleet", "build", self.plan, *words, env=self.builder.environment)
        assert ended.returncode == 0, ended.stderr
        [found] = read_plan(self.plan).images
        return found

    def applied(self, built: FleetImage, *, shipped: bool) -> None:
        """Apply: each node has the image by an id of its own, and its record is of that."""
        ended = self.kgpu_env("fleet", "apply", self.plan, "-i", self.nodes.inventory, "--json")
        assert ended.returncode == 7, (ended.stdout, ended.stderr)
        found = {one["name"]: (one["outcome"], one["shipped"]) for one in json.loads(ended.stdout)["nodes"]}
        assert found == {"new": ("not proved", shipped), "old": ("not proved", shipped)}
        assert self.seen["new"] != self.seen["old"]
        assert set(self.seen.values()) <= set(ids_of(built))
        assert self.seen == {name: self._recorded(name) for name in self.seen}

    @property
    def seen(self) -> dict[str, str]:
        """What each node's engine calls the image."""
        inspect = "docker", "inspect", "--format", "{{.Id}}", TAG
        return {name: self.nodes.run(name, *inspect)[1].strip() for name in self.nodes.ids}

    def _recorded(self, name: str) -> str:
        """The image that a node's record names."""
        envelope = decode((self.folder / "records" / f"{name}.json").read_bytes(), attest.Envelope)
        return statement.read(attest.contents(envelope)).image_id


@pytest.fixture
def fleet(nodes: Nodes, builder: Builder, kgpu_env_in: Callable[[Path], KgpuEnv], tmp_path: Path) -> Fleet:
    return Fleet(nodes, kgpu_env_in(tmp_path), tmp_path, builder)


@pytest.mark.parametrize("builder", [pytest.param("old", marks=pytest.mark.slow), "new"], indirect=True)
def test_an_image_in_a_registry_is_pulled_by_its_digest_on_both(fleet: Fleet) -> None:
    with ExitStack() as opened:
        registry = opened.enter_context(registry_in(fleet.folder / "registry"))
        port = int(registry.partition(":")[2])
        if fleet.builder.process:
            opened.enter_context(reached_from(fleet.builder.process, port))
        opened.enter_context(fleet.nodes.reaching(port, *fleet.nodes.ids))
        built = fleet.build("--push", registry)
        assert built.reference.startswith(f"{registry}/{TAG.partition(':')[0]}@sha256:")
        fleet.applied(built, shipped=True)
        assert fleet.seen["new"] == built.reference.partition("@")[2]
        for name in fleet.nodes.ids:
            names = fleet.nodes.run(name, "docker", "inspect", "--format", "{{.RepoDigests}}", TAG)[1]
            assert built.reference in names


@pytest.mark.slow
@pytest.mark.parametrize("builder", ["old", "new"], indirect=True)
def test_an_image_of_a_bundle_is_itself_on_both_and_no_other_is_taken(fleet: Fleet) -> None:
    bundles = fleet.folder / "bundles"
    built = fleet.build("--bundle", bundles)
    [bundle] = bundles.iterdir()
    written = bundle.stat().st_mtime_ns
    assert fleet.build("--bundle", bundles) == built  # the second time all is there
    assert bundle.stat().st_mtime_ns == written
    fleet.applied(built, shipped=True)
    fleet.applied(built, shipped=False)
    # What was loaded is none of the ids that are wanted: the node's engine tells, by the role alone as well.
    variables = {"kgpu_env_archive": str(fleet.folder / built.bundle), "kgpu_env_image_ids": [OTHER]}
    said = play(fleet.nodes, fleet.folder, variables)
    told = [f"KGE-961: the engine has {ident} as {TAG}, and {OTHER} was to be there" for ident in fleet.seen.values()]
    assert all(one in said for one in told), said
    # Here it is told before a node is touched.
    fleet.plan.write_text(fleet.plan.read_text().replace(fleet.seen["old"], OTHER))
    ended = fleet.kgpu_env("fleet", "apply", fleet.plan, "-i", fleet.nodes.inventory, "--json")
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
