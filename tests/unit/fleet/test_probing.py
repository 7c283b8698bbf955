"""What becomes of Ansible's events; inventories that are none. Real nodes: tests/engine/test_fleet_probe.py."""

import base64
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from trees import build

from provision.api.hosts import capture, probe_host
from provision.catalogue import load
from provision.errors import InputError
from provision.fleet.hosts import read_fleet
from provision.fleet.inventory import environment, nodes_of
from provision.fleet.probing import Answers, probe_fleet
from provision.model.fleet_probe import NodeAnswer, Outcome, ProbeWishes
from provision.probe.collector import TEXT


def event(kind: str, **result: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"event": f"runner_on_{kind}", "event_data": {"host": "n1", "res": result}}


def answered(tmp_path: Path, kind: str, **result: Any) -> NodeAnswer:  # noqa: ANN401 - JSON
    answers = Answers(tmp_path, lambda _: None)
    assert answers.hear(event(kind, **result)) is False
    return answers.found["n1"]


def test_a_capture_is_kept_after_whatever_the_login_says(tmp_path: Path) -> None:
    tree = build(tmp_path / "tree", "mi210")
    (hosts := tmp_path / "hosts").mkdir()
    text = f"Welcome to n1!\n{TEXT}{base64.b64encode(capture(tree)).decode()}\n"
    assert answered(hosts, "ok", stdout=text) == NodeAnswer(name="n1", outcome=Outcome.OK)
    assert read_fleet(hosts, load()).hosts == {"n1": probe_host(tree)}
    assert [path.name for path in hosts.iterdir()] == ["n1.tar.gz"]


@pytest.mark.parametrize("text", ["", "hello", TEXT, f"{TEXT}***", f"{TEXT}abc", f"{TEXT}ä"])
def test_no_capture_is_broken_and_the_old_one_stays(tmp_path: Path, text: str) -> None:
    (tmp_path / "n1.tar.gz").write_bytes(b"old")
    assert answered(tmp_path, "ok", stdout=text).outcome is Outcome.BROKEN
    assert (tmp_path / "n1.tar.gz").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


SSH = "Task failed: Failed to connect to the host via ssh: "


@pytest.mark.parametrize(
    ("kind", "result", "outcome", "words"),
    [
        (
            "unreachable",
            {"msg": f"{SSH}ssh: connect to host x port 22: Connection refused"},
            "unreachable",
            "ssh: connect",
        ),
        ("unreachable", {"msg": f"{SSH}root@x: Permission denied (publickey)."}, "unreachable", "root@x: Permission"),
        ("unreachable", {"msg": f"{SSH}Timeout, server x not responding."}, "timed out", "Timeout, server"),
        ("unreachable", {"msg": f"{SSH}Connection timed out during banner exchange"}, "timed out", "Connection"),
        ("failed", {"msg": "Timed out after 60 second(s).", "timedout": {"period": 60}}, "timed out", "Timed out"),
        (
            "failed",
            {"rc": 127, "stderr": "sh: python3: not found", "msg": "non-zero return code"},
            "broken",
            "Python is",
        ),
        ("unreachable", {"msg": "mkdir: cannot create directory x: No space left on device"}, "broken", "mkdir: "),
        (
            "unreachable",
            {"msg": "Failed to create temporary directory. In some cases, you may have been able to authenticate"},
            "broken",
            "Failed to create temporary directory: it may not write",
        ),
        (
            "unreachable",
            {"msg": "Failed to connect to the host via scp: Connection closed"},
            "unreachable",
            "Connection",
        ),
        ("failed", {"rc": 1, "stderr": "SyntaxError", "msg": "non-zero return code"}, "broken", "non-zero"),
        ("failed", {}, "broken", ""),
    ],
)
def test_each_failure_has_its_name_and_cause(
    tmp_path: Path, kind: str, result: dict[str, Any], outcome: str, words: str
) -> None:
    found = answered(tmp_path, kind, **result)
    assert found.outcome.value == outcome
    assert found.cause.startswith(words)


def test_strange_events_are_nothing(tmp_path: Path) -> None:
    answers = Answers(tmp_path, lambda _: None)
    for one in ({}, {"event": "runner_on_ok"}, {"event": "runner_on_ok", "event_data": {}}, {"event": "verbose"}):
        answers.hear(one)
    assert answers.found == {}


@pytest.mark.process
@pytest.mark.parametrize("text", ["[", '{"all": 3}', "", "[all:vars]\nx=1\n"])
def test_an_inventory_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    pytest.importorskip("ansible_runner")
    (tmp_path / "inventory").write_text(text)
    with pytest.raises(InputError) as caught:
        probe_fleet(tmp_path / "inventory", tmp_path / "hosts", lambda _: None, ProbeWishes())
    assert caught.value.code == "KGE-943"
    assert not (tmp_path / "hosts").exists()


@pytest.mark.process
def test_the_nodes_of_an_inventory(tmp_path: Path) -> None:
    pytest.importorskip("ansible_runner")
    (tmp_path / "inventory").write_text("[gpu]\nb ansible_password=hunter2\na\n[cpu]\nc\n")
    assert nodes_of(tmp_path / "inventory") == ("a", "b", "c")
    assert nodes_of(tmp_path / "inventory", "gpu") == ("a", "b")
    with pytest.raises(InputError) as caught:
        nodes_of(tmp_path / "inventory", "nobody")
    assert "none fits --limit nobody" in caught.value.cause
    with pytest.raises(InputError) as caught:
        nodes_of(tmp_path / "none")
    assert caught.value.code == "KGE-943"


@pytest.mark.process
def test_what_ansible_said_of_an_inventory_is_in_no_file_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ansible-runner writes answer and environment down, where nobody else names a folder into one that stays."""
    runner = pytest.importorskip("ansible_runner")
    (place := tmp_path / "place").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    monkeypatch.setattr(runner.defaults, "AUTO_CREATE_DIR", str(place))
    for text in ("a ansible_password=hunter2\n", "["):
        (tmp_path / "inventory").write_text(text)
        with suppress(InputError):
            nodes_of(tmp_path / "inventory")
        assert list(place.iterdir()) == []


def test_ansible_cfg_of_this_folder_is_for_the_run_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANSIBLE_CONFIG", raising=False)
    assert "ANSIBLE_CONFIG" not in environment()
    (tmp_path / "ansible.cfg").write_text("[defaults]\nremote_user = ops\n")
    assert environment()["ANSIBLE_CONFIG"] == str(tmp_path / "ansible.cfg")
    tmp_path.chmod(0o777)  # Ansible itself does not take it from a folder where everybody may write
    assert "ANSIBLE_CONFIG" not in environment()
    tmp_path.chmod(0o755)
    monkeypatch.setenv("ANSIBLE_CONFIG", "/etc/ansible/other.cfg")  # Ansible takes it from there
    assert "ANSIBLE_CONFIG" not in environment()
