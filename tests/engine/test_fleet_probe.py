"""`fleet probe` over real SSH: containers with sshd and a fake tree; one lacks Python, one refuses, one is frozen."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from nodes import REFUSING, SSH, Nodes, image, network_name

from provision.api.hosts import probe_host
from provision.catalogue import load
from provision.fleet.hosts import read_fleet

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]
KgpuEnv = Any  # of the conftest beside this file


@pytest.fixture(scope="module")
def client(engine: Any) -> "APIClient":  # noqa: ANN401 - of the conftest
    found: APIClient = engine._api  # noqa: SLF001 - as there
    return found


@pytest.fixture(scope="module")
def nodes(client: "APIClient", base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    made = Nodes(client, image(client, base, SSH, "sshd"), tmp_path_factory.mktemp("nodes"), network_name("nodes"))
    try:
        made.add("good1")
        made.add("good2")
        made.add("bare", "rm -f /usr/bin/python3* /usr/local/bin/python3*")
        made.add("refused", REFUSING)
        time.sleep(1)
        yield made
    finally:
        made.close()


def outcomes(text: str) -> dict[str, tuple[str, str]]:
    return {one["name"]: (one["outcome"], one["cause"]) for one in json.loads(text)["nodes"]}


def test_each_node_has_its_line_and_a_capture_is_what_a_probe_of_the_tree_is(
    nodes: Nodes, kgpu_env: KgpuEnv, tmp_path: Path
) -> None:
    ended = kgpu_env("fleet", "probe", "-i", nodes.inventory, "-o", tmp_path / "hosts", "--json")
    assert ended.returncode == 8, ended.stderr
    found = outcomes(ended.stdout)
    assert {name: one[0] for name, one in found.items()} == {
        "good1": "ok",
        "good2": "ok",
        "bare": "broken",
        "refused": "unreachable",
    }
    assert "Python is missing" in found["bare"][1]
    assert "Connection refused" in found["refused"][1]
    assert "good1: ok" in ended.stderr
    fleet = read_fleet(tmp_path / "hosts", load())
    assert fleet.hosts == dict.fromkeys(("good1", "good2"), probe_host(nodes.tree))
    assert sorted(path.name for path in (tmp_path / "hosts").iterdir()) == ["good1.tar.gz", "good2.tar.gz"]


def test_a_node_frozen_under_a_warm_connection_holds_nobody_for_long(
    nodes: Nodes, kgpu_env: KgpuEnv, tmp_path: Path
) -> None:
    words = ("fleet", "probe", "-i", nodes.inventory, "-o", tmp_path / "hosts", "--limit", "good*", "--json")
    assert kgpu_env(*words).returncode == 0
    nodes.client.pause(nodes.ids["good1"])
    began = time.monotonic()
    try:
        ended = kgpu_env(*words)
    finally:
        nodes.client.unpause(nodes.ids["good1"])
    assert time.monotonic() - began < 45
    found = outcomes(ended.stdout)
    assert found["good1"][0] == "timed out", found
    assert (found["good2"][0], ended.returncode) == ("ok", 8)
    assert (tmp_path / "hosts" / "good1.tar.gz").exists()  # the one from before
    again = kgpu_env(*words, "--resume")
    assert {one[0] for one in outcomes(again.stdout).values()} == {"kept"}


def test_ctrl_c_keeps_what_had_come(nodes: Nodes, kgpu_env: KgpuEnv, tmp_path: Path) -> None:
    nodes.client.pause(nodes.ids["good1"])
    try:
        process = kgpu_env.start("fleet", "probe", "-i", nodes.inventory, "-o", tmp_path / "hosts", "--limit", "good*")
        end = time.monotonic() + 30
        while not (tmp_path / "hosts" / "good2.tar.gz").exists():
            assert time.monotonic() < end
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    finally:
        nodes.client.unpause(nodes.ids["good1"])
    assert process.returncode == 130, errors
    assert [path.name for path in (tmp_path / "hosts").iterdir()] == ["good2.tar.gz"]
    assert "Traceback" not in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_stopped_leaves_no_file_of_ansibles(
    kgpu_env: KgpuEnv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """This machine as the node: its Python sleeps. What Ansible writes meanwhile has the inventory's passwords."""
    (place := tmp_path / "place").mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    (slow := tmp_path / "slow").write_text(f"#!/bin/sh\ntouch {tmp_path}/begun\nexec sleep 40\n")
    slow.chmod(0o755)
    (tmp_path / "inventory").write_text(
        f"me ansible_connection=local kgpu_env_python={slow} ansible_password=hunter2\n"
    )
    process = kgpu_env.start("fleet", "probe", "-i", tmp_path / "inventory", "-o", tmp_path / "hosts")
    end = time.monotonic() + 60
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < end
        time.sleep(0.1)
    assert list(place.glob("kgpu-env-fleet.*"))
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, "Traceback" in errors) == (130, False), errors
    assert list(place.iterdir()) == []
    assert not list(tmp_path.glob("hosts/*"))
