"""`fleet build` and `fleet apply` on nodes with an engine of their own, over real SSH and Ansible's docker modules.

No GPU is here. What opens a gate is recorded H100 evidence, judged against the node's fake tree and signed by a test's
key: a record file on the node. The image has no framework, so that whatever trains in it is not proved.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hollow import hollow_base, hollow_plan
from msgspec.structs import replace
from nodes import ENGINE, MASKED, REFUSING, ROOT, Nodes, image, network_name
from recorded import PROOFS, file_of, recorded

from provision import api
from provision.engine.docker_engine import DockerEngine
from provision.fleet.plan import read_plan
from provision.model import Host, decode, encode
from provision.model.fleet import FleetImage
from provision.records import HostKey, host_key
from provision.records.store import place

if TYPE_CHECKING:
    from docker import APIClient

KgpuEnv = Any  # of the conftest beside this file
pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]
TAG = f"kgpu-test/fleet{os.getpid()}:1"
IMAGES = "/root/.cache/kgpu-env/images"


class Fleet:
    """A plan, built into bundles, and the nodes of it."""

    def __init__(self, nodes: Nodes, folder: Path, kgpu_env: KgpuEnv) -> None:
        self.nodes, self.folder, self.kgpu_env = nodes, folder, kgpu_env
        self.plan = folder / "plan.json"

    def write(self, base: str, names: tuple[str, ...]) -> None:
        self.plan.write_text(encode(hollow_plan(base, TAG, names)))

    @property
    def image(self) -> FleetImage:
        [found] = read_plan(self.plan).images
        return found

    def apply(self, *words: object) -> tuple[int, dict[str, Any], str]:
        """Return exit code, document and talk."""
        ended = self.kgpu_env("fleet", "apply", self.plan, "-i", self.nodes.inventory, "--json", *words)
        return ended.returncode, json.loads(ended.stdout), ended.stderr

    def prove(self, name: str) -> None:
        """Put the record of an H100's evidence on a node that has kgpu-env."""
        code, text = self.nodes.run(name, "kgpu-env", "probe", "--json", "--root", "/")
        assert code == 0, text
        self.put(name, decode(text, Host), self.key_of(name))

    def put(self, name: str, host: Host, key_of_host: HostKey) -> None:
        """Judge an H100's evidence against a node, and put its record there."""
        key = self.folder / "signer.pem"
        self.nodes.write(name, file_of(name, self.image), recorded(self.image, host, key_of_host, key))
        self.nodes.write(name, "/root/signer.pub", api.key_pair(key, make=False).public)
        (self.folder / "signer.pub").write_text(api.key_pair(key, make=False).public)

    def key_of(self, name: str) -> HostKey:
        code = (
            "from provision.api.records import host_now; from provision.model import encode; print(encode(host_now()))"
        )
        ended, text = self.nodes.run(name, "env", f"PYTHONPATH={ROOT}", self.python, "-c", code)
        assert ended == 0, text
        return decode(text, HostKey)

    @property
    def python(self) -> str:
        import sys  # noqa: PLC0415 - for this one word

        return sys.executable

    def forget(self, name: str) -> None:
        """Take image and records from a node."""
        words = f"rm -rf {PROOFS}; docker image rm -f {TAG} >/dev/null 2>&1; true"
        assert self.nodes.run(name, "sh", "-c", words)[0] == 0


@pytest.fixture(scope="module")
def fleet(
    engine: DockerEngine,
    base: str,
    tmp_path_factory: pytest.TempPathFactory,
    kgpu_env_in: Any,  # noqa: ANN401 - of the conftest
) -> Iterator[Fleet]:
    client: APIClient = engine._api  # noqa: SLF001 - as there
    folder = tmp_path_factory.mktemp("fleet")
    nodes = Nodes(client, image(client, base, ENGINE, "docker-node"), folder, network_name("apply"))
    hollow = TAG.replace("/fleet", "/hollow")
    hollow_base(engine, base, hollow)
    try:
        nodes.add("proved", MASKED, engine=True, installed=True)
        nodes.add("plain", engine=True)
        nodes.lines["plain"] += " ansible_become_password=hunter2"
        nodes.add("bare", "rm -f /usr/bin/python3* /usr/local/bin/python3*")
        nodes.add("refused", REFUSING)
        made = Fleet(nodes, folder, kgpu_env_in(folder))
        made.write(hollow, ("bare", "plain", "proved", "refused"))
        for name in ("proved", "plain"):
            nodes.wait(name, "docker", "info")
        ended = made.kgpu_env("fleet", "build", made.plan, "--bundle", folder / "bundles", "--json")
        assert ended.returncode == 0, ended.stderr
        made.prove("proved")  # its key is there from now on
        nodes.lines["proved"] += ' kgpu_env_trusted=\'["--trusted-key", "/root/signer.pub"]\''
        yield made
    finally:
        nodes.close()
        names = [name for one in client.images() for name in one["RepoTags"] or ()]
        for name in (hollow, *(name for name in names if name.endswith(TAG))):  # pushed as well
            engine.remove(name)


def outcomes(found: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["outcome"] for one in found["nodes"]}


def test_each_image_is_built_once_and_a_bundle_is_what_docker_loads(fleet: Fleet) -> None:
    assert fleet.image.bundle == f"bundles/{fleet.image.id}.tar"
    assert fleet.image.image_id.startswith("sha256:")
    written = (fleet.folder / fleet.image.bundle).stat().st_mtime_ns
    again = fleet.kgpu_env("fleet", "build", fleet.plan, "--bundle", fleet.folder / "bundles")
    assert again.returncode == 0, again.stderr
    assert (fleet.folder / fleet.image.bundle).stat().st_mtime_ns == written
    assert fleet.image.image_id in again.stdout


def test_a_fleet_is_applied_and_each_node_has_its_cause(fleet: Fleet) -> None:
    fleet.prove("proved")
    code, found, said = fleet.apply("--check")
    assert (code, outcomes(found)["plain"]) == (8, "due"), said
    assert fleet.nodes.run("plain", "docker", "images", "--quiet")[1] == ""
    assert not (fleet.folder / "records").exists()

    code, found, said = fleet.apply()
    nodes = {one["name"]: one for one in found["nodes"]}
    assert code == 8, said
    assert outcomes(found) == {
        "bare": "broken",
        "plain": "not proved",
        "proved": "proved before",
        "refused": "unreachable",
    }, said
    assert "Connection refused" in nodes["refused"]["cause"]
    assert "install Python 3" in nodes["bare"]["fix"], nodes["bare"]
    assert nodes["proved"]["shipped"]
    assert nodes["plain"]["shipped"]
    assert nodes["plain"]["code"].startswith("KGE-")
    assert "hunter2" not in said + json.dumps(found)
    records = {path.name for path in (fleet.folder / "records").iterdir()}
    assert records == {"plain.json", "proved.json"}
    for name in ("proved", "plain"):
        assert fleet.nodes.run(name, "docker", "inspect", "--format", "{{.Id}}", TAG)[1].strip() == fleet.image.image_id
        assert fleet.nodes.run(name, "ls", IMAGES)[1] == ""
    # The record is on the node, where its gate reads it.
    assert fleet.nodes.run("plain", "ls", PROOFS)[1].strip() == place(Path(), "plain", TAG).name
    assert fleet.nodes.run("proved", "kgpu-env", "gate", TAG, "--trusted-key", "/root/signer.pub")[0] == 0


def test_a_second_run_does_nothing_to_a_node_that_is_proved(fleet: Fleet) -> None:
    fleet.prove("proved")
    assert fleet.apply("--limit", "proved")[0] == 0
    before = fleet.nodes.run("proved", "stat", "-c", "%Y", PROOFS)
    code, found, _ = fleet.apply("--limit", "proved")
    assert (code, outcomes(found)) == (0, {"proved": "proved before"})
    assert not found["nodes"][0]["shipped"]
    assert fleet.nodes.run("proved", "stat", "-c", "%Y", PROOFS) == before


def test_a_node_whose_record_another_key_signed_is_not_proved(fleet: Fleet, tmp_path: Path) -> None:
    fleet.prove("proved")
    other = tmp_path / "other.pub"
    other.write_text(api.key_pair(tmp_path / "other.pem").public)
    code, found, _ = fleet.apply("--limit", "proved", "--trusted-key", other)
    assert (code, outcomes(found)) == (7, {"proved": "not proved"})
    assert "signed by another key" in found["nodes"][0]["cause"]


def test_a_node_with_kgpu_env_proves_itself(fleet: Fleet) -> None:
    fleet.forget("proved")
    code, found, said = fleet.apply("--limit", "proved", "--check")
    assert (code, outcomes(found)) == (7, {"proved": "due"}), said
    code, found, said = fleet.apply("--limit", "proved")
    assert (code, outcomes(found)) == (7, {"proved": "not proved"}), said
    assert found["nodes"][0]["code"].startswith("KGE-")
    assert found["nodes"][0]["fix"]


def test_a_node_without_kgpu_env_whose_record_holds_is_left(fleet: Fleet) -> None:
    host = api.probe_host(fleet.nodes.tree)
    fleet.put("plain", host, host_key(host, "plain"))
    words = ("--limit", "plain", "--trusted-key", fleet.folder / "signer.pub")
    code, found, said = fleet.apply(*words)
    assert (code, outcomes(found)) == (0, {"plain": "proved before"}), said
    fleet.put("plain", host, replace(host_key(host, "plain"), kernel="5.0"))
    code, found, said = fleet.apply(*words, "--check")
    assert (code, outcomes(found)) == (7, {"plain": "due"}), said


def test_a_flipped_byte_is_told_before_a_node_is_touched(fleet: Fleet) -> None:
    path = fleet.folder / fleet.image.bundle
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + b"\xff\x00\xff" + content[len(content) // 2 + 3 :])
    try:
        code, found, _ = fleet.apply()
    finally:
        path.write_bytes(content)
    assert (code, found["code"]) == (3, "KGE-221")


def test_a_full_disk_is_named_and_nothing_of_the_archive_stays(fleet: Fleet) -> None:
    fleet.forget("proved")
    full = f"mkdir -p {IMAGES} && mount -t tmpfs -o size=1m none {IMAGES}"
    assert fleet.nodes.run("proved", "sh", "-c", full)[0] == 0
    try:
        code, found, _ = fleet.apply("--limit", "proved")
        assert fleet.nodes.run("proved", "ls", "-A", IMAGES) == (0, "")
    finally:
        fleet.nodes.run("proved", "umount", IMAGES)
    assert (code, outcomes(found)) == (8, {"proved": "broken"})
    assert "No space left" in found["nodes"][0]["cause"]


def test_a_failed_batch_ends_the_run_and_the_others_were_not_begun(fleet: Fleet) -> None:
    fleet.prove("proved")
    code, found, said = fleet.apply("--serial", 1)  # by name: bare is the first
    assert code == 8, said
    assert set(outcomes(found).values()) == {"broken", "skipped"}
    assert "3 further nodes were not begun" in found["stopped"]
    code, found, said = fleet.apply("--serial", 1, "--stop-share", 100)
    assert "skipped" not in outcomes(found).values()


def test_two_runs_at_once_are_refused(fleet: Fleet) -> None:
    with fleet.kgpu_env.start("fleet", "apply", fleet.plan, "-i", fleet.nodes.inventory) as first:
        time.sleep(6)
        assert first.poll() is None
        code, found, _ = fleet.apply()
        first.communicate(timeout=200)
    assert (code, found["code"]) == (3, "KGE-958")


def test_ctrl_c_keeps_what_was_done_and_the_next_run_takes_it_up(fleet: Fleet) -> None:
    fleet.forget("plain")
    fleet.prove("proved")
    words = ("fleet", "apply", fleet.plan, "-i", fleet.nodes.inventory, "--limit", "proved,plain")
    (fleet.folder / "records" / "proved.json").unlink(missing_ok=True)
    process = fleet.kgpu_env.start(*words)
    end = time.monotonic() + 200
    while not (fleet.folder / "records" / "proved.json").exists():
        assert time.monotonic() < end
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130, said
    assert "Traceback" not in said
    code, found, _ = fleet.apply("--limit", "proved,plain")
    assert (code, outcomes(found)) == (7, {"plain": "not proved", "proved": "proved before"})


def test_a_node_killed_in_mid_run_has_no_answer(fleet: Fleet) -> None:
    fleet.forget("plain")
    process = fleet.kgpu_env.start(
        "fleet", "apply", fleet.plan, "-i", fleet.nodes.inventory, "--limit", "plain", "--json"
    )
    fleet.nodes.wait("plain", "sh", "-c", f"ls {IMAGES}/*.tar", seconds=200)
    fleet.nodes.client.kill(fleet.nodes.ids["plain"])
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 8
    assert outcomes(json.loads(output))["plain"] in {"unreachable", "timed out", "unknown"}
    fleet.nodes.client.start(fleet.nodes.ids["plain"])
    fleet.nodes.wait("plain", "docker", "info", seconds=100)
    code, found, said = fleet.apply("--limit", "plain")
    assert (code, outcomes(found)) == (7, {"plain": "not proved"}), said


def test_a_node_frozen_in_mid_run_holds_nobody_for_long_and_is_taken_up_again(fleet: Fleet) -> None:
    fleet.forget("plain")
    fleet.prove("proved")
    began = time.monotonic()
    words = ("fleet", "apply", fleet.plan, "-i", fleet.nodes.inventory, "--limit", "plain,proved", "--json")
    process = fleet.kgpu_env.start(*words)
    fleet.nodes.wait("plain", "sh", "-c", f"ls {IMAGES}/*.tar", seconds=200)  # by a connection that is kept
    fleet.nodes.client.pause(fleet.nodes.ids["plain"])
    frozen = time.monotonic()
    try:
        output, said = process.communicate(timeout=150)
    finally:
        fleet.nodes.client.unpause(fleet.nodes.ids["plain"])
    assert time.monotonic() - frozen < 90, time.monotonic() - began
    assert process.returncode == 8, said
    found = {one["name"]: one for one in json.loads(output)["nodes"]}
    assert found["proved"]["outcome"] == "proved before", found
    assert found["plain"]["outcome"] in {"timed out", "unreachable"}, found
    assert found["plain"]["cause"].rstrip(" :"), found
    code, again, said = fleet.apply("--limit", "plain,proved")
    assert (code, outcomes(again)) == (7, {"plain": "not proved", "proved": "proved before"}), said
    assert fleet.nodes.run("plain", "ls", IMAGES)[1] == ""


# Holds the node's GPU as a verification does, for so many seconds.
HOLDER = """
import sys, time
from provision.prove.turn import turn
with turn(["0000:17:00.0"], print):
    print("holds", flush=True)
    time.sleep(float(sys.argv[1]))
"""


def hold(fleet: Fleet, seconds: int) -> None:
    """Let another verification run on both nodes: with kgpu-env by its lock, without it in a container that stays."""
    client, words = fleet.nodes.client, ["env", f"PYTHONPATH={ROOT}", fleet.python, "-c", HOLDER, str(seconds)]
    client.exec_start(client.exec_create(fleet.nodes.ids["proved"], words)["Id"], detach=True)
    label = "kgpu-env.deadline=4000000000"
    run = f"docker run -d --rm --network none --name kgpu-env-other --label {label} {TAG} sleep 500"
    code, said = fleet.nodes.run("plain", "sh", "-c", run)
    assert code == 0, said
    fleet.nodes.wait("proved", "sh", "-c", "ls /dev/shm/kgpu-env.*.lock")


@pytest.mark.slow  # 150 s: each of two runs waits for the other program to end
def test_beside_another_verification_nothing_trains(fleet: Fleet) -> None:
    assert fleet.apply("--limit", "plain,proved")[0] == 7  # the images are there
    for name in ("plain", "proved"):
        fleet.nodes.run(name, "rm", "-rf", PROOFS)
    hold(fleet, 110)
    code, found, said = fleet.apply("--limit", "plain,proved")
    nodes = {one["name"]: one for one in found["nodes"]}
    assert (code, outcomes(found)) == (8, {"plain": "busy", "proved": "busy"}), said
    assert {one["code"] for one in nodes.values()} == {"KGE-920"}
    assert "process " in nodes["proved"]["cause"]
    assert "0000:17:00.0" in nodes["proved"]["cause"]
    assert "kgpu-env-other since 20" in nodes["plain"]["cause"], nodes["plain"]
    assert all(one["fix"] for one in nodes.values())
    names = fleet.nodes.run("plain", "docker", "ps", "--all", "--format", "{{.Names}}")[1].split()
    assert names == ["kgpu-env-other"]
    fleet.nodes.run("plain", "docker", "kill", "kgpu-env-other")
    code, found, said = fleet.apply("--limit", "plain")
    assert (code, outcomes(found)) == (7, {"plain": "not proved"}), said


def test_two_runs_at_once_by_other_plans_train_one_after_the_other(fleet: Fleet) -> None:
    """Neither knows of the other: their plans are different files, as on two machines that apply."""
    for name in ("plain", "proved"):
        fleet.nodes.run(name, "rm", "-rf", PROOFS)
    other = fleet.folder / "other.json"
    other.write_bytes(fleet.plan.read_bytes())
    words = ("-i", fleet.nodes.inventory, "--limit", "plain,proved", "--json")
    second = fleet.kgpu_env.start("fleet", "apply", other, *words, "--records", fleet.folder / "others")
    code, found, said = fleet.apply("--limit", "plain,proved")
    output, more = second.communicate(timeout=300)
    for told, text in ((outcomes(found), said), (outcomes(json.loads(output)), more)):
        assert set(told.values()) <= {"not proved", "busy"}, text
    assert fleet.nodes.run("plain", "docker", "ps", "--all", "--quiet")[1] == ""
    assert (code, second.returncode) in {(7, 7), (7, 8), (8, 7), (8, 8)}
    assert fleet.apply("--limit", "plain,proved")[0] == 7


def test_an_image_is_pulled_by_its_digest(fleet: Fleet, registry: str) -> None:
    fleet.forget("proved")
    ended = fleet.kgpu_env("fleet", "build", fleet.plan, "--push", registry)
    assert ended.returncode == 0, ended.stderr
    assert fleet.image.reference.startswith(f"{registry}/{TAG.partition(':')[0]}@sha256:")
    fleet.prove("proved")
    with fleet.nodes.reaching(int(registry.partition(":")[2]), "proved"):
        code, found, said = fleet.apply("--limit", "proved")
    assert (code, outcomes(found), found["nodes"][0]["shipped"]) == (0, {"proved": "proved before"}, True), said
    names = fleet.nodes.run("proved", "docker", "inspect", "--format", "{{.RepoDigests}}", TAG)[1]
    assert fleet.image.reference in names
    # Without the registry: what the node has is left, and what it has not cannot be had.
    assert fleet.apply("--limit", "proved")[0] == 0
    fleet.forget("proved")
    fleet.nodes.run("proved", "docker", "image", "rm", fleet.image.reference)
    code, found, _ = fleet.apply("--limit", "proved")
    assert (code, outcomes(found)) == (8, {"proved": "broken"})
    assert "Pull the image by its digest" in found["nodes"][0]["cause"]
