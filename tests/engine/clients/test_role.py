"""The role of Ansible by Ansible itself, on this machine: modules and kgpu-env are played by scripts."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TEMPLATES = Path(__file__).parents[3] / "templates"
IMAGE, DIGEST = "kgpu-env/cuda:1", f"sha256:{'1' * 64}"
MODULE = """#!/usr/bin/python
# WANT_JSON: its one argument is the file of its words
import json
import sys
from pathlib import Path
words = {{key: value for key, value in json.loads(Path(sys.argv[1]).read_text()).items() if key[0] != "_"}}
with Path({calls!r}).open("a") as file:
    file.write({name!r} + " " + json.dumps(words) + "\\n")
answer = Path({answer!r})
brought = answer.with_name("brought.json")
if {name!r} in ("image_tag", "image_load") and brought.exists():
    brought.replace(answer.with_name("image_info.json"))
# Of host_info three questions: for what earlier runs left, for what runs, and for whose others' containers there are.
kind = "left" if "name" in (words.get("containers_filters") or {{}}) else "seen" if words.get("containers_all") else ""
if kind and answer.with_name(kind + ".json").exists():
    answer = answer.with_name(kind + ".json")
print(answer.read_text() if answer.exists() else "{{}}")
"""
MODULES = ("image_info", "image_pull", "image_tag", "image_load", "container", "host_info")
pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


class Node:
    """This machine, its docker modules and its kgpu-env made of words."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment: dict[str, str] = {}
        shutil.copytree(TEMPLATES / "ansible" / "roles", folder / "roles")
        for path in (TEMPLATES / "fleet").glob("*.yml"):
            shutil.copy(path, folder)
        modules = folder / "ansible_collections" / "community" / "docker" / "plugins" / "modules"
        modules.mkdir(parents=True)
        for name in MODULES:
            words = {"calls": str(folder / "calls"), "name": name, "answer": str(folder / f"{name}.json")}
            (modules / f"docker_{name}.py").write_text(MODULE.format(**words))
        (folder / "role.yml").write_text("[{hosts: all, gather_facts: false, roles: [kgpu_env]}]")
        self.has(DIGEST)

    def has(self, ident: str, *digests: str) -> None:
        """State which image the engine has."""
        self.answers("image_info", images=[{"Id": ident, "RepoDigests": [f"x@{one}" for one in digests]}])

    def answers(self, module: str, **words: object) -> None:
        (self.folder / f"{module}.json").write_text(json.dumps(words))

    def kgpu_env(self, gate: int, verify: int, verdict: str = "proved") -> None:
        """Install a kgpu-env whose gate and verification end so."""
        path, told = self.folder / "kgpu-env", {"state": "never", "reason": "the gate said", "code": "KGE-586"}
        verified = {"verdict": verdict, "reason": "verify said"}
        lines = (f"gate) echo '{json.dumps(told)}'; exit {gate} ;;", f"verify) echo '{json.dumps(verified)}'")
        path.write_text(f'#!/bin/sh\necho "kgpu-env $1" >>{self.folder}/calls\n' + _case(*lines, f"exit {verify} ;;"))
        path.chmod(0o755)

    def play(self, playbook: str, *words: str, **variables: Any) -> str:  # noqa: ANN401 - of Ansible
        """Return what Ansible says."""
        told = {"kgpu_env_image": IMAGE, "kgpu_env_command": str(self.folder / "kgpu-env"), **variables}
        beside = Path(sys.executable).parent
        program = shutil.which("ansible-playbook", path=str(beside))
        assert program
        named = ("-i", "n1,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}", "-e")
        environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(self.folder), "ANSIBLE_NOCOLOR": "1"}
        environment |= self.environment | {"PATH": f"{beside}:{os.environ['PATH']}", "ANSIBLE_LOCALHOST_WARNING": "0"}
        line = [program, *named, json.dumps(told), *words, playbook]
        done = subprocess.run(line, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    @property
    def calls(self) -> list[str]:
        return [line.partition(" {")[0] for line in (self.folder / "calls").read_text().splitlines()]


def _case(*lines: str) -> str:
    return "\n".join(('case "$1" in', *lines, "esac\n"))


@pytest.fixture
def node(tmp_path: Path) -> Node:
    pytest.importorskip("ansible")
    return Node(tmp_path)


@pytest.mark.parametrize(
    ("gate", "verify", "gpu", "words"),
    [
        (7, 0, True, "the gate said"),
        (7, 7, True, "verify said"),
        (7, 0, False, "failed=0"),
        (0, 0, True, "failed=0"),
    ],
)
def test_a_node_fails_where_its_gate_stays_closed(
    node: Node,
    gate: int,
    verify: int,
    gpu: bool,  # noqa: FBT001 - a parameter
    words: str,
) -> None:
    node.kgpu_env(gate, verify)
    said = node.play("role.yml", kgpu_env_gpu=gpu)
    assert words in said, said
    assert ("failed=0" in said) is (words == "failed=0"), said


def test_an_older_image_under_the_name_is_replaced_by_the_one_of_the_digest(node: Node) -> None:
    node.kgpu_env(0, 0)
    reference = f"registry.example/keras@{DIGEST}"
    node.has(f"sha256:{'2' * 64}", f"sha256:{'3' * 64}")
    said = node.play("role.yml", kgpu_env_reference=reference)
    assert "image_pull" in node.calls
    assert "KGE-961" in said  # the engine still has the other, as this one's words never change
    node.answers("brought", images=[{"Id": f"sha256:{'4' * 64}", "RepoDigests": [reference]}])
    said = node.play("role.yml", kgpu_env_reference=reference)
    assert "failed=0" in said, said
    (node.folder / "calls").unlink()
    assert "failed=0" in node.play("role.yml", kgpu_env_reference=reference)
    assert "image_pull" not in node.calls


def test_an_archive_is_loaded_where_the_engine_has_another_image(node: Node) -> None:
    node.kgpu_env(0, 0)
    (node.folder / "a.tar").touch()
    node.has(f"sha256:{'2' * 64}")
    node.answers("brought", images=[{"Id": DIGEST, "RepoDigests": []}])
    words = {"kgpu_env_image_ids": [DIGEST], "kgpu_env_archive": str(node.folder / "a.tar")}
    said = node.play("role.yml", **words, kgpu_env_folder=str(node.folder / "images"))
    assert "failed=0" in said, said
    assert "image_load" in node.calls


def test_with_check_a_node_is_due_and_nothing_is_verified(node: Node) -> None:
    node.kgpu_env(7, 0)
    mine = {"tag": IMAGE, "ids": [DIGEST], "reference": "", "archive": ""}
    plan = {"kgpu_env_images": {"a": mine}, "kgpu_env_plan": {"n1": "a"}}
    said = node.play("apply.yml", "--check", **plan)
    assert "failed=0" in said, said
    assert "KGE-586" in said
    assert "kgpu-env verify" not in node.calls


def test_containers_of_broken_links_are_removed_after_their_deadline(node: Node) -> None:
    left = [{"Id": ident, "Labels": {"kgpu-env.deadline": time}} for ident, time in (("old", "999"), ("new", "1001"))]
    node.answers("left", containers=left)
    said, words = trained(node)
    assert "failed=0" in said, said
    asked = [(one["name"], one["state"]) for one in words]
    assert asked == [("old", "absent"), ("mine", "present"), ("mine", "started"), ("mine", "absent")]
    assert words[1]["labels"] == {"kgpu-env.deadline": "2000"}
    assert words[2].keys() <= {
        "name",
        "state",
        "detach",
        "cleanup",
        "image_name_mismatch",
        "timeout",
    }


def trained(node: Node, *others: tuple[str, int]) -> tuple[str, list[dict[str, Any]]]:
    """Return what Ansible says of a training, and what was wanted of containers; others' have a state and an age."""
    made = [{"Names": ["/mine"], "State": "created", "Created": 9000}]
    made += [{"Names": ["/theirs"], "State": state, "Created": 9000 - age} for state, age in others]
    node.answers("host_info", containers=[])  # of those that run
    node.answers("seen", containers=made)
    node.answers("container", container={"Id": "x", "Output": ""}, status=0)
    fields = ("image", "command", "env", "security", "pids", "shm", "requests", "devices", "groups", "mounts")
    run = {**dict.fromkeys(fields, ""), "name": "mine", "labels": {"kgpu-env.deadline": "2000"}, "now": 1000}
    said = node.play("train.yml", kgpu_env_runs={"n1": {**run, "seconds": 60}})
    asked = [line.split(" ", 1) for line in (node.folder / "calls").read_text().splitlines()]
    return said, [json.loads(text) for name, text in asked if name == "container"]


@pytest.mark.parametrize("other", [("created", 1), ("running", 3), ("paused", 30)])
def test_of_two_that_begin_at_once_none_trains_beside_the_other(node: Node, other: tuple[str, int]) -> None:
    said, words = trained(node, other)
    assert "KGE-920: another verification runs there, in the container /theirs since 1970-01-01T02:" in said, said
    assert [(one["name"], one["state"]) for one in words] == [("mine", "present"), ("mine", "absent")]


def test_what_others_left_hinders_nobody(node: Node) -> None:
    said, words = trained(node, ("exited", 1), ("created", 900))
    assert "failed=0" in said, said
    assert ("mine", "started") in [(one["name"], one["state"]) for one in words]


@pytest.mark.parametrize(("state", "folder"), [("/srv/state", "/srv/state"), ("relative", "~/.local/state")])
def test_the_records_are_where_the_nodes_own_gate_looks(node: Node, state: str, folder: str) -> None:
    mine = {"tag": IMAGE, "ids": [DIGEST], "reference": "", "archive": ""}
    plan = {"kgpu_env_images": {"a": mine}, "kgpu_env_plan": {"n1": "a"}}
    node.environment = {"XDG_STATE_HOME": state}
    node.answers("host_info", host_info={})
    (node.folder / "collector.py").write_text("print('a capture')")
    said = node.play("apply.yml", **plan, kgpu_env_project=str(node.folder), kgpu_env_python=sys.executable)
    assert f'"proofs": "{folder}/kgpu-env/proofs"' in said, said
    kept = {"n1": {"text": "a record", "file": "a.json", "folder": str(node.folder / "proofs")}}
    assert "failed=0" in node.play("record.yml", kgpu_env_kept=kept)
    assert (node.folder / "proofs" / "a.json").read_text() == "a record"
