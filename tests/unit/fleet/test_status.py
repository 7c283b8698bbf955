"""The states of nodes: by cause, proof and plan; what of it reaches a page and metrics, and what hostile names do."""

import json
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provision.api.hosts import read_host
from provision.catalogue import load
from provision.errors import InputError
from provision.fleet.hosts import read_fleet
from provision.fleet.metrics import metrics
from provision.fleet.page import page
from provision.fleet.plan import plan, read_plan
from provision.fleet.proofs import read_proofs
from provision.fleet.status import Watch, status_of
from provision.model import encode
from provision.model.fleet import FleetNode, FleetPlan, Unserved
from provision.model.fleet_status import FleetStatus, NodeState, NodeStatus
from provision.records import HostKey, Record, host_key, save, seal

DATA = Path(__file__).parents[2] / "data" / "hosts"
NOW = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)
SIGNER = Ed25519PrivateKey.generate()
HOSTILE = "</script><img src=x onerror=alert(1)>\"'\\\n{{7*7}}\u202e`$(id)"


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    (place := tmp_path / "hosts").mkdir()
    for name, kind in {"a": "h100-580", "b": "h100-580", "c": "h100-535", "d": "driver-not-loaded"}.items():
        shutil.copy(DATA / f"{kind}.json", place / f"{name}.json")
    (place / "e.json").write_text("{")
    return place


def record(node: str, **changes: Any) -> Record:  # noqa: ANN401 - of whichever field
    key: HostKey = host_key(read_host(DATA / "h100-580.json"), node)
    made = Record(
        tool="1",
        host=key,
        image="kgpu-env/cuda:x",
        image_id="sha256:1",
        plan="",
        backend="tensorflow",
        level="quick",
        requested="gpu",
        verdict="proved",
        code="",
        reason="weights were on the GPU",
        at="2026-11-29T10:00:00Z",
        controlled="",
        proof="sha256:1",
    )
    return msgspec.structs.replace(made, **changes)


def status(
    hosts: Path, *records: Record, signer: Ed25519PrivateKey = SIGNER, made: FleetPlan | None = None
) -> dict[str, NodeStatus]:
    (folder := hosts.parent / "records").mkdir(mode=0o700, exist_ok=True)
    for one in records:
        save(folder / one.host.node.replace("/", "_"), seal(one, signer))
    proofs = read_proofs(folder, [SIGNER.public_key()]) if records else None
    watch = Watch(catalogue=load(), now=NOW, plan=made, proofs=proofs)
    return {node.name: node for node in status_of(read_fleet(hosts, load()), watch).nodes}


def test_without_records_and_plan_the_cause_alone_makes_the_state(hosts: Path) -> None:
    found = status(hosts)
    assert {name: node.state.value for name, node in found.items()} == {
        "a": "HEALTHY",
        "b": "HEALTHY",
        "c": "HEALTHY",
        "d": "DRAIN",
        "e": "UNKNOWN",
    }
    assert (found["d"].code, found["e"].code) == ("KGE-102", "KGE-607")
    assert found["a"].proof == ""
    assert list(found) == ["d", "e", "a", "b", "c"]


@pytest.mark.parametrize(
    ("changes", "state", "proof", "words"),
    [
        ({}, "HEALTHY", "proved", ""),
        ({"at": "2026-10-01T10:00:00Z"}, "WARNING", "proved", "59 days old"),
        ({"at": "2027-10-01T10:00:00Z"}, "WARNING", "proved", "a clock is wrong"),
        ({"at": "hello"}, "WARNING", "proved", "days old"),
        (
            {"verdict": "not-proved", "code": "KGE-511", "reason": "it was slow"},
            "DRAIN",
            "failed",
            "ended not proved: it was slow",
        ),
        ({"host": "kernel"}, "DRAIN", "stale", "kernel: 5.1 -> "),
        ({"host": "gpus"}, "DRAIN", "stale", "GPUs: 0 -> "),
    ],
)
def test_the_proof_makes_the_state(hosts: Path, changes: dict[str, Any], state: str, proof: str, words: str) -> None:
    kept = record("a", **{key: value for key, value in changes.items() if key != "host"})
    if part := changes.get("host"):
        host = msgspec.structs.replace(kept.host, **{part: {"kernel": "5.1", "gpus": ()}[part]})
        kept = msgspec.structs.replace(kept, host=host)
    found = status(hosts, kept)["a"]
    assert (found.state, found.proof) == (state, proof)
    assert words in " ".join(found.why)


def test_a_proof_counts_only_from_a_trusted_key(hosts: Path) -> None:
    found = status(hosts, record("a"), signer=Ed25519PrivateKey.generate())
    assert (found["a"].state, found["a"].proof, found["a"].proved_at) == ("WARNING", "refused", "")
    assert (found["b"].state, found["b"].proof) == ("WARNING", "never")


def test_the_newest_of_two_proofs_counts_and_the_age_is_told(hosts: Path) -> None:
    found = status(hosts, record("a", image="old:1", at="2026-11-01T10:00:00Z"), record("a"))["a"]
    assert (found.image, found.age_hours, found.proved_at) == ("kgpu-env/cuda:x", 2, "2026-11-29T10:00:00Z")


def test_a_node_is_found_by_its_name_before_the_dot(hosts: Path) -> None:
    shutil.copy(hosts / "a.json", hosts / "a7.lab.example.json")
    assert status(hosts, record("a7"))["a7.lab.example"].proof == "proved"


def test_drift_from_the_plan(hosts: Path) -> None:
    fleet = read_fleet(hosts, load())
    made = plan(load(), {name: host for name, host in fleet.hosts.items() if name != "b"})
    gone = FleetNode(name=HOSTILE, image="x", why="")
    made = msgspec.structs.replace(made, nodes=(*made.nodes, gone))
    image = next(one for one in made.images if "a" in one.nodes)
    found = status(hosts, record("a", image=f"registry.example/x/{image.tag}"), record("c"), made=made)
    assert found["a"].state == "HEALTHY"
    assert "the plan does not know it" in found["b"].why
    assert any("kgpu-env/cuda:x was proved" in text for text in found["c"].why)
    assert "kgpu-env fleet apply PLAN" in found["c"].fix
    assert found[HOSTILE].state == "UNKNOWN"


def test_a_node_without_an_image_in_the_plan_is_not_asked_for_a_proof(hosts: Path) -> None:
    left = Unserved(name="b", rule="KGE-210", cause="The host has no GPU.")
    made = msgspec.structs.replace(plan(load(), {}), unserved=(left,))
    found = status(hosts, record("a"), made=made)
    assert found["b"].why == ("the plan has no image for it: The host has no GPU.",)
    assert (found["b"].state, found["b"].proof) == ("WARNING", "never")


def test_a_node_of_the_inventory_that_gave_no_file_is_unknown(hosts: Path) -> None:
    fleet = read_fleet(hosts, load())
    nodes = status_of(fleet, Watch(catalogue=load(), now=NOW, listed=("a", "never"))).nodes
    [never] = [node for node in nodes if node.name not in {*fleet.hosts, "e"}]
    assert (never.name, never.state.value) == ("never", "UNKNOWN")
    assert never.why[0].startswith("the inventory has it, and no file tells of it")
    assert "kgpu-env fleet probe" in never.fix


def test_a_node_whose_gpu_cannot_be_seen_is_unknown(hosts: Path) -> None:
    (hosts / "f" / "proc").mkdir(parents=True)
    found = status(hosts)["f"]
    assert (found.state, found.code) == (NodeState.UNKNOWN, "KGE-117")


def test_one_cause_is_told_once(hosts: Path) -> None:
    made = plan(load(), read_fleet(hosts, load()).hosts)
    node = status(hosts, made=made)["d"]
    assert node.why[1:] == ("the plan has no image for it",)
    assert node.fix


def test_majority_and_outliers(hosts: Path) -> None:
    shutil.copy(DATA / "mi210.json", hosts / "m.json")
    found = status_of(read_fleet(hosts, load()), Watch(catalogue=load(), now=NOW))
    drivers = [one for one in found.common if one.key == "driver"]
    assert [one.value.split()[0] for one in drivers] == ["amd", "nvidia"]  # neither is the other's outlier
    assert drivers[1].nodes == 2
    assert [outlier.nodes for outlier in drivers[1].outliers] == [("c",)]


def hostile() -> FleetStatus:
    node = NodeStatus(
        name=HOSTILE, state=NodeState.WARNING, why=(HOSTILE,), image=HOSTILE, proved_at="2026-11-29T10:00:00Z"
    )
    return FleetStatus(at="2026-11-29T10:00:00Z", counts={"WARNING": 1}, nodes=(node,), warnings=(HOSTILE,))


def test_a_hostile_name_is_text_in_the_page() -> None:
    text = page(hostile())
    assert "<img" not in text
    assert text.count("</script>") == 2
    assert "\u202e" not in text.partition('type="application/json">')[2]
    data = text.partition('type="application/json">')[2].partition("</script>")[0]
    assert json.loads(data)[0]["name"] == HOSTILE


def test_a_hostile_name_stays_in_its_label() -> None:
    text = metrics(hostile())
    assert all(line.startswith(("#", "kgpu_env_")) for line in text.splitlines())
    assert r"\"'\\\n{{7*7}}" in text


def test_bad_input_is_told(hosts: Path, tmp_path: Path) -> None:
    for text in ("", "{", "[]", '{"schema": "kgpu-env/fleet-plan/9"}'):
        (tmp_path / "plan.json").write_text(text)
        with pytest.raises(InputError) as caught:
            read_plan(tmp_path / "plan.json")
        assert caught.value.code == "KGE-942"
    with pytest.raises(InputError) as caught:
        read_proofs(tmp_path / "none", [])
    assert caught.value.code == "KGE-941"
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "x.json").write_text("{")
    assert "is no record" in read_proofs(tmp_path / "r", []).warnings[0]
    other = FleetPlan(catalogue="sha256:0")
    found = status_of(read_fleet(hosts, load()), Watch(catalogue=load(), now=NOW, plan=other))
    assert "another catalogue" in found.warnings[-1]


def test_a_plan_is_read_as_it_was_written(hosts: Path, tmp_path: Path) -> None:
    made = plan(load(), read_fleet(hosts, load()).hosts)
    (tmp_path / "plan.json").write_text(encode(made))
    assert read_plan(tmp_path / "plan.json") == made
    assert timedelta(days=30) == Watch(catalogue=load(), now=NOW).max_age
