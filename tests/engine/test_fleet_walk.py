"""The tutorial of a fleet, on six nodes over real SSH, two of which have a Docker of their own.

No GPU is here: what gpu01 has is the record of an H100's evidence, signed by the key of who applies; gpu02's Docker has
no way to a GPU. The image's framework is a made-up one of a few bytes, from an index on loopback.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from loopback import private_index, wheel
from nodes import ENGINE, STOPPABLE, Nodes, image, network_name
from recorded import file_of, recorded
from tutorial import follow

from provision import api
from provision.engine.docker_engine import DockerEngine
from provision.fleet.plan import read_plan
from provision.model import encode
from provision.model.fleet import FleetImage
from provision.records import host_key

if TYPE_CHECKING:
    from docker import APIClient

KgpuEnv = Any  # of the conftest beside this file
pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]
LOGIN = "me:index-s3cret"
# Before `fleet apply` a node goes down, for those who reach it by SSH.
START = """kgpu-env() {{
  if [ "$1 $2" = "fleet apply" ]; then docker exec {gone} sh -c 'kill $(pidof sshd)'; fi
  command kgpu-env "$@"
}}"""


@pytest.fixture
def nodes(engine: DockerEngine, base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """The tutorial's six, as it tells of them."""
    client: APIClient = engine._api  # noqa: SLF001 - the tests' only way to start others' containers
    made = Nodes(client, image(client, base, ENGINE, "docker-node"), tmp_path_factory.mktemp("n"), network_name("walk"))
    try:
        made.add("gpu01", engine=True)
        made.add("gpu02", engine=True)
        made.add("gpu03", kind="driver-not-loaded")
        made.add("gpu04", "rm -f /usr/bin/python3* /usr/local/bin/python3*")
        made.add("gpu05", STOPPABLE)
        made.add("login01", kind="none")
        yield made
    finally:
        made.close()


@pytest.fixture
def built(
    nodes: Nodes, engine: DockerEngine, kgpu_env: KgpuEnv, tutorial_environment: dict[str, str], tmp_path: Path
) -> Iterator[FleetImage]:
    """The image that the tutorial's plan has, built before, since the record of gpu01 names its id."""

    def fleet(*words: object) -> FleetImage:
        ended = kgpu_env("fleet", *words, env=tutorial_environment)
        assert ended.returncode == 0, ended.stderr
        [found] = read_plan(plan).images
        return found

    hosts, plan = tmp_path / "before", tmp_path / "before.json"
    hosts.mkdir()
    (hosts / "gpu01.json").write_text(encode(api.probe_host(nodes.tree)))
    planned = fleet("plan", hosts, "-o", plan)
    others = engine.image(planned.tag)
    try:
        with private_index(stand_ins(planned.stack.packages), LOGIN) as port:
            tutorial_environment["UV_INDEX"] = f"http://{LOGIN}@127.0.0.1:{port}/simple"
            yield fleet("build", plan)
    finally:
        engine.remove(planned.tag)
        if others:  # whose machine has the real one
            engine.tag(others.image_id, planned.tag)


def stand_ins(packages: tuple[str, ...]) -> dict[str, bytes]:
    """Return a wheel for each requirement, of the first version that it names."""
    files: dict[str, bytes] = {}
    for text in packages:
        name, version = re.split("[<=>,]+", text)[:2]
        files |= wheel(name.replace("-", "_"), version, f"__version__ = {version!r}\n")
    return files


def test_from_an_inventory_to_a_status_page(
    nodes: Nodes, built: FleetImage, kgpu_env: KgpuEnv, tutorial_environment: dict[str, str], tmp_path: Path
) -> None:
    host = api.probe_host(nodes.tree)
    key = json.loads(kgpu_env("key", "--json", env=tutorial_environment).stdout)["path"]
    record = recorded(built, host, host_key(host, "gpu01"), Path(key))
    nodes.write("gpu01", file_of("gpu01", built), record)
    for name in ("gpu01", "gpu02"):
        nodes.wait(name, "docker", "info")
    variables = tmp_path / "here" / "group_vars" / "all.json"
    variables.parent.mkdir(parents=True)
    variables.write_text(json.dumps(nodes.variables))
    addresses = {f"10.0.0.1{number}": nodes.addresses[name] for number, name in enumerate(sorted(nodes.ids), start=1)}
    start = START.format(gone=nodes.ids["gpu05"])
    printed = follow("fleet", tmp_path / "here", tutorial_environment, start=start, replaced=addresses)
    assert "s3cret" not in printed
    page = (tmp_path / "here" / "fleet.html").read_text()
    assert all(f'"name":"{name}"' in page for name in nodes.ids)
