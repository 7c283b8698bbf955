"""A fleet's image in a registry that wants a login, over real SSH: none, a wrong one, the node's own, one lent."""

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hollow import hollow_base, hollow_plan
from nodes import ENGINE, Nodes, image, network_name
from registries import PASSWORD, USER, registry_in

from provision.engine.docker_engine import DockerEngine
from provision.model import encode

if TYPE_CHECKING:
    from docker import APIClient

KgpuEnv = Any  # of the conftest beside this file
TAG, HOLLOW = (f"kgpu-test/{word}{os.getpid()}:1" for word in ("login", "hollow-login"))
IMAGES = "/root/.cache/kgpu-env/images"
pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]
LENT = f'kgpu_env_registry_user={USER} kgpu_env_registry_password=\'{{{{ lookup("env", "REGISTRY_WORD") }}}}\''
# Notes who is started with the password, or its form in docker's file, among its words.
WATCH = "while :; do cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' >> /tmp/seen; sleep 0.05; done"


class Fleet(NamedTuple):
    """A node, and the plan whose image is in the registry."""

    nodes: Nodes
    plan: Path
    registry: str


@pytest.fixture
def fleet(
    engine: DockerEngine, base: str, tmp_path: Path, kgpu_env: KgpuEnv, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Fleet]:
    client: APIClient = engine._api  # noqa: SLF001 - the tests' only way to start others' containers
    (folder := tmp_path / "nodes").mkdir()
    nodes, plan = Nodes(client, image(client, base, ENGINE, "docker-node"), folder, network_name("login")), folder / "p"
    hollow_base(engine, base, HOLLOW)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with registry_in(tmp_path / "registry", login=True) as registry:
        try:
            nodes.add("plain", engine=True)
            plan.write_text(encode(hollow_plan(HOLLOW, TAG, ("plain",))))
            nodes.wait("plain", "docker", "info")
            refused = kgpu_env("fleet", "build", plan, "--push", registry)
            assert (refused.returncode, "docker login" in refused.stderr) == (6, True), refused.stderr
            (tmp_path / "config.json").write_text(login(registry, PASSWORD))
            ended = kgpu_env("fleet", "build", plan, "--push", registry)
            assert ended.returncode == 0, ended.stderr
            assert PASSWORD not in ended.stdout + ended.stderr + refused.stderr + plan.read_text()
            with nodes.reaching(int(registry.partition(":")[2]), "plain"):
                yield Fleet(nodes, plan, registry)
        finally:
            nodes.close()
            names = [name for one in client.images() for name in one["RepoTags"] or ()]
            for name in (HOLLOW, *(name for name in names if name.endswith(TAG))):
                engine.remove(name)


def basic(word: str) -> str:
    return base64.b64encode(f"{USER}:{word}".encode()).decode()


def login(registry: str, word: str) -> str:
    """Docker's file with a login."""
    return json.dumps({"auths": {registry: {"auth": basic(word)}}})


def test_a_login_is_the_nodes_own_or_lent_and_a_missing_or_wrong_one_is_told(
    fleet: Fleet, kgpu_env: KgpuEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, run = fleet.registry, fleet.nodes.run
    own = "/root/.docker/config.json"
    monkeypatch.setenv("REGISTRY_WORD", PASSWORD)
    said: list[str] = []

    def applied(outcome: str) -> dict[str, Any]:
        ended = kgpu_env("fleet", "apply", fleet.plan, "-i", fleet.nodes.inventory, "--json")
        said.append(ended.stdout + ended.stderr)
        [node] = json.loads(ended.stdout)["nodes"]
        assert (ended.returncode, node["outcome"]) == (8 if outcome == "broken" else 7, outcome), node
        run("plain", "sh", "-c", f"rm -f {own}; docker image rm -f $(docker images -q) >/dev/null 2>&1")
        return dict(node)

    for word in ("", "wrong"):
        if word:
            fleet.nodes.write("plain", own, login(registry, word))
        node = applied("broken")
        assert node["code"] == "KGE-441", node
        assert node["cause"].startswith(f"the registry {registry} wants a login")
        assert f"docker login {registry}" in node["fix"]
    fleet.nodes.write("plain", own, login(registry, PASSWORD))
    assert applied("not proved")["shipped"]
    fleet.nodes.lines["plain"] += f" {LENT}"
    fleet.nodes.client.exec_start(
        fleet.nodes.client.exec_create(fleet.nodes.ids["plain"], ["sh", "-c", WATCH])["Id"], detach=True
    )
    assert applied("not proved")["shipped"]
    monkeypatch.setenv("REGISTRY_WORD", "wrong-s3cret")
    assert applied("broken")["code"] == "KGE-441"
    for secret in (PASSWORD, "wrong-s3cret", basic(PASSWORD), basic("wrong-s3cret")):
        assert secret not in "".join(said)
        assert run("plain", "grep", "-c", "--", secret, "/tmp/seen")[1].strip() == "0"
        assert run("plain", "grep", "-rlI", "--", secret, "/root", "/var/log", "/etc") == (1, "")
    assert run("plain", "ls", "-A", IMAGES)[1] in {"", f"ls: cannot access '{IMAGES}': No such file or directory\n"}
    assert os.environ["REGISTRY_WORD"] not in fleet.plan.read_text()
