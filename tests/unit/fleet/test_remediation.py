"""Nodes that were not proved, told to schedulers whose programs are played by scripts."""

from pathlib import Path

import pytest

from provision.fleet.remediation import Remedied, remedy
from provision.model.fleet_apply import Applied, AppliedNode, ApplyWishes

pytestmark = pytest.mark.process
SLURM = ApplyWishes(drain="slurm")


class Cluster:
    """Programs that note how they were called."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        monkeypatch.setenv("PATH", str(folder))

    def program(self, name: str, body: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\necho \"{name} $*\" >>'{self.folder}/calls'\n{body}\n")
        path.chmod(0o755)

    def slurm(self, *lines: str) -> None:
        self.program("sinfo", "printf '%s\\n' " + " ".join(f"'{line}'" for line in lines))
        self.program("scontrol", "exit 0")

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if not line.startswith("sinfo") and " get nodes " not in line]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster(tmp_path, monkeypatch)


def nodes(**outcomes: Applied) -> list[AppliedNode]:
    return [
        AppliedNode(name=name, image="i", outcome=outcome, code="KGE-031" if outcome is Applied.NOT_PROVED else "")
        for name, outcome in outcomes.items()
    ]


def test_nobody_is_told_unless_that_is_wanted(cluster: Cluster) -> None:
    cluster.slurm("a none")
    assert remedy(nodes(a=Applied.NOT_PROVED), ApplyWishes(), 10) == Remedied()
    assert remedy(nodes(a=Applied.NOT_PROVED), ApplyWishes(drain="slurm", check=True), 10) == Remedied()
    assert cluster.calls == []


def test_a_node_is_drained_with_our_code_and_no_other_is(cluster: Cluster) -> None:
    cluster.slurm("a none", "b none", "c none", "d none")
    found = remedy(nodes(a=Applied.NOT_PROVED, b=Applied.UNREACHABLE, c=Applied.UNKNOWN, d=Applied.PROVED), SLURM, 10)
    assert found == Remedied(drained=("a",))
    assert cluster.calls == ["scontrol update nodename=a state=drain reason=kgpu-env KGE-031 not proved"]


def test_the_breaker_takes_none_out_where_too_many_would_be(cluster: Cluster) -> None:
    cluster.slurm("a none", "b none", "c kgpu-env KGE-587 stale")
    found = remedy(nodes(a=Applied.NOT_PROVED), SLURM, 10)  # c and a: 20 %
    assert found.drained == ()
    assert "1 nodes were not proved and stay in: with 1 of 10 out already" in found.warnings[0]
    assert cluster.calls == []
    assert remedy(nodes(a=Applied.NOT_PROVED), ApplyWishes(drain="slurm", drain_share=20), 10).drained == ("a",)


def test_only_what_we_took_out_is_let_in_and_only_by_a_proof_of_now(cluster: Cluster) -> None:
    cluster.slurm("a kgpu-env KGE-031 not proved", "b bad fan", "c kgpu-env KGE-587 stale", "d kgpu-env x")
    found = remedy(
        nodes(a=Applied.PROVED, b=Applied.PROVED, c=Applied.KEPT, d=Applied.NOT_PROVED, e=Applied.PROVED), SLURM, 10
    )
    assert (found.released, found.drained) == (("a",), ())
    assert cluster.calls == ["scontrol update nodename=a state=resume"]


def test_a_node_that_an_admin_drained_is_left_to_them(cluster: Cluster) -> None:
    cluster.slurm("a a bad PSU", "b none")
    found = remedy(nodes(a=Applied.NOT_PROVED), SLURM, 10)
    assert (found.drained, cluster.calls) == ((), [])
    assert found.warnings == ("a was not proved, and is left to whoever gave its reason to slurm",)


def test_a_name_of_the_inventory_may_have_a_domain(cluster: Cluster) -> None:
    cluster.slurm("a none")
    found = remedy(nodes(**{"a.example": Applied.NOT_PROVED, "z": Applied.NOT_PROVED}), SLURM, 100)
    assert found.drained == ("a",)
    assert found.warnings == ("slurm has no node z",)


def test_kubernetes_gets_a_taint_of_ours(cluster: Cluster) -> None:
    text = (
        '{"items": [{"metadata": {"name": "a"}, "spec": {}}, {"metadata": {"name": "b"}, '
        '"spec": {"taints": [{"key": "io.kgpu-env.not-proved", "effect": "NoSchedule"}]}}]}'
    )
    cluster.program("kubectl", f"[ \"$1\" = get ] && echo '{text}' || true")
    found = remedy(nodes(a=Applied.NOT_PROVED, b=Applied.PROVED), ApplyWishes(drain="kubernetes"), 10)
    assert found == Remedied(("a",), ("b",), ())
    assert cluster.calls == [
        "kubectl taint nodes a io.kgpu-env.not-proved=KGE-031:NoSchedule --overwrite",
        "kubectl taint nodes b io.kgpu-env.not-proved-",
    ]


def test_a_scheduler_that_says_nothing_is_told_nothing(cluster: Cluster) -> None:
    cluster.program("sinfo", "echo slurm_load_partitions: Unable to contact >&2; exit 1")
    found = remedy(nodes(a=Applied.NOT_PROVED), SLURM, 10)
    assert "Unable to contact" in found.warnings[0]
    assert "not installed" in remedy(nodes(a=Applied.NOT_PROVED), ApplyWishes(drain="kubernetes"), 9).warnings[0]
