"""The hooks of Slurm and systemd: what the scripts do, with Slurm's commands and the gate made of words."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from provision import model
from provision.catalogue import load
from provision.emit import Order, emit
from provision.engine.access import device_access
from provision.model import Request, Vendor
from provision.render import render
from provision.resolve import resolve

MINIATURE = load(Path(__file__).parents[2] / "data" / "catalogue")
IMAGE = "registry.example/team's keras:1"  # a quote and a blank must not leave their place
STALE = '{"schema":"kgpu-env/gate/1","state":"stale","code":"KGE-587","at":""}'
PROVED = '{"schema":"kgpu-env/gate/1","state":"proved","code":"","at":"%s"}'
pytestmark = pytest.mark.process


def files(kind: str, image: str = IMAGE) -> dict[str, str]:
    request, host = Request(vendor=Vendor.CPU), model.Host()
    stack = resolve(MINIATURE, host, request)
    order = Order(
        stack=stack,
        request=request,
        host=host,
        access=device_access(host, stack.vendor, "all"),
        plan=render(MINIATURE, stack, request),
        image=image,
    )
    return emit(kind, order)


class Called(NamedTuple):
    """How a script ended, and its calls of Slurm's commands and of the gate."""

    code: int
    calls: list[str]


class Node:
    """A node whose commands note how they were called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state" / "drained"
        for name, text in files("slurm").items():
            (folder / name).write_text(text)
        self.cluster(10, 0)

    def command(self, name: str, body: str) -> None:
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.folder}/calls"\n{body}\n')
        path.chmod(0o755)

    def gate(self, code: int, answer: str) -> None:
        self.command("kgpu-env", f"cat <<'E'\n{answer}\nE\nexit {code}")

    def cluster(self, nodes: int, drained: int, reason: str = "kgpu-env KGE-587 stale") -> None:
        """State how many nodes there are, and how many of them have a reason; node1 is this one."""
        lines = "\n".join(f"node{n} {reason if n < drained else 'none'}" for n in range(nodes))
        names = "\n".join(f"node{n}" for n in range(nodes))
        (self.folder / "reasons").write_text(f"{lines}\n")
        (self.folder / "names").write_text(f"{names}\n")
        own = f"sed -n 's/^node1 //p' {self.folder}/reasons"
        asked = f"*nodes=*) {own} ;; *%E*) cat {self.folder}/reasons ;; *) cat {self.folder}/names ;;"
        self.command("sinfo", f'case "$*" in {asked} esac')
        self.command("scontrol", "")

    def reason(self, words: str) -> None:
        """State this node's own reason."""
        path = self.folder / "reasons"
        others = [line for line in path.read_text().splitlines() if not line.startswith("node1 ")]
        path.write_text("\n".join((*others, f"node1 {words}", "")))

    def run(self, script: str, **variables: str) -> Called:
        (self.folder / "calls").write_text("")
        environment = {
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "SLURMD_NODENAME": "node1",
            "KGPU_ENV_SLURM_STATE": str(self.state),
            **variables,
        }
        done = subprocess.run(["/bin/sh", self.folder / script], env=environment, capture_output=True, check=False)
        calls = (self.folder / "calls").read_text().splitlines()
        return Called(done.returncode, [call for call in calls if not call.startswith("sinfo")])


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


GATE = f"kgpu-env gate --json {IMAGE}"
DRAIN = "scontrol update nodename=node1 state=drain reason=kgpu-env KGE-587 stale"
RESUME = "scontrol update nodename=node1 state=resume"


def test_a_stale_node_is_only_reported_by_default(node: Node) -> None:
    node.gate(7, STALE)
    assert node.run("health.sh") == Called(0, [GATE])


def test_a_stale_node_is_drained_once_with_our_code(node: Node) -> None:
    node.gate(7, STALE)
    assert node.run("health.sh", KGPU_ENV_SLURM_DRAIN="yes") == Called(0, [GATE, DRAIN])
    assert node.run("health.sh", KGPU_ENV_SLURM_DRAIN="yes") == Called(0, [GATE])


@pytest.mark.parametrize("code", [1, 3, 5, 124, 127, 130])
def test_a_gate_without_an_answer_drains_nothing(node: Node, code: int) -> None:
    node.gate(code, "")
    assert node.run("health.sh", KGPU_ENV_SLURM_DRAIN="yes") == Called(0, [GATE])


@pytest.mark.parametrize(("drained", "more"), [(0, True), (1, False), (5, False)])
def test_no_more_than_the_share_is_drained(node: Node, drained: int, more: bool) -> None:  # noqa: FBT001 - a parameter
    node.gate(7, STALE)
    node.cluster(10, drained)
    node.reason("none")
    assert (DRAIN in node.run("health.sh", KGPU_ENV_SLURM_DRAIN="yes").calls) is more
    assert node.state.exists() is more


def test_nodes_that_fail_at_the_same_moment_are_not_all_drained(node: Node) -> None:
    node.gate(7, STALE)
    late = "\n".join(f"node{n} kgpu-env KGE-587 stale" for n in range(3))
    node.command("scontrol", f"printf '%s\\n' '{late}' >{node.folder}/reasons")  # the others' drains come with its own
    assert node.run("health.sh", KGPU_ENV_SLURM_DRAIN="yes") == Called(0, [GATE, DRAIN, RESUME])
    assert not node.state.exists()


def test_nodes_that_others_drained_do_not_count(node: Node) -> None:
    node.gate(7, STALE)
    node.cluster(10, 5, reason="bad fan")
    node.reason("none")
    assert DRAIN in node.run("health.sh", KGPU_ENV_SLURM_DRAIN="yes").calls


@pytest.mark.parametrize("reason", ["a bad PSU", "Prolog error", ""])
def test_a_node_that_others_drained_is_left_to_them(node: Node, reason: str) -> None:
    node.gate(7, STALE)
    node.reason(reason)
    assert node.run("health.sh", KGPU_ENV_SLURM_DRAIN="yes") == Called(0, [GATE])
    assert not node.state.exists()


def test_a_node_that_fleet_apply_drained_is_taken_over(node: Node) -> None:
    node.gate(7, STALE)
    node.reason("kgpu-env KGE-586 not proved")
    assert node.run("health.sh", KGPU_ENV_SLURM_DRAIN="yes") == Called(0, [GATE])
    node.gate(0, PROVED % "2199-01-01T00:00:00Z")
    assert node.run("health.sh", KGPU_ENV_SLURM_DRAIN="yes") == Called(0, [GATE, RESUME])


def test_only_a_newer_proof_resumes(node: Node) -> None:
    node.gate(7, STALE)
    node.run("health.sh", KGPU_ENV_SLURM_DRAIN="yes")
    node.reason("kgpu-env KGE-587 stale")
    node.gate(0, PROVED % "2020-01-01T00:00:00Z")  # the old driver is back, and so is the old record
    assert node.run("health.sh", KGPU_ENV_SLURM_DRAIN="yes") == Called(0, [GATE])
    node.gate(0, PROVED % "2199-01-01T00:00:00Z")
    assert node.run("health.sh", KGPU_ENV_SLURM_DRAIN="yes") == Called(0, [GATE, RESUME])
    assert not node.state.exists()


def test_a_node_that_somebody_else_took_over_is_not_resumed(node: Node) -> None:
    node.gate(7, STALE)
    node.run("health.sh", KGPU_ENV_SLURM_DRAIN="yes")
    node.gate(0, PROVED % "2199-01-01T00:00:00Z")
    node.reason("maintenance")
    assert node.run("health.sh", KGPU_ENV_SLURM_DRAIN="yes") == Called(0, [GATE])


@pytest.mark.parametrize(("gate", "code"), [(0, 0), (7, 1), (5, 0), (124, 0)])
def test_the_prolog_refuses_jobs_with_a_gpu_alone(node: Node, gate: int, code: int) -> None:
    node.gate(gate, "STALE     image: the driver changed")
    called = node.run("prolog.sh", SLURM_JOB_GPUS="0")
    assert called == Called(code, [f"kgpu-env gate {IMAGE}"])  # and none of Slurm's commands
    assert node.run("prolog.sh") == Called(0, [])


@pytest.mark.parametrize(("gate", "code"), [(0, 0), (7, 1), (5, 1), (124, 1)])
def test_the_prolog_refuses_without_an_answer_where_the_site_wants_it(node: Node, gate: int, code: int) -> None:
    node.command("kgpu-env", f'[ -z "$KGPU_ENV_SLURM_UNKNOWN" ] || exit 3\nexit {gate}')  # it refuses others' names
    called = node.run("prolog.sh", SLURM_JOB_GPUS="0", KGPU_ENV_SLURM_UNKNOWN="refuse")
    assert called.code == code
    assert node.run("prolog.sh", KGPU_ENV_SLURM_UNKNOWN="refuse") == Called(0, [])


def test_systemd_takes_its_units(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    for name, text in files("systemd", "kgpu-env/cpu:tf2.21.0-py3.11").items():
        (tmp_path / name).write_text(text)
    command = [analyze, "verify", "--man=no", *sorted(map(str, tmp_path.glob("*.service")))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "kgpu-env" in line]) == (0, [])
