"""Nodes by their labels: what labels tell is told, and what they leave open is not known."""

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest

from provision.catalogue import load
from provision.errors import InputError
from provision.fleet.examination import examine_fleet
from provision.fleet.hosts import Fleet, read_fleet
from provision.fleet.plan import plan
from provision.fleet.proofs import Proofs
from provision.fleet.status import Watch, status_of
from provision.model.fleet_status import NodeState
from provision.records import Record, host_key

MINIATURE = load(Path(__file__).parents[2] / "data" / "catalogue")
# As kubectl prints it, with labels of GPU Feature Discovery 0.17 and of AMD's node labeller; the values are made up.
NODES = Path(__file__).parents[2] / "data" / "nodes.json"
H100, MI300X, _ = (item["metadata"]["labels"] for item in json.loads(NODES.read_text())["items"])
NFD = {name: value for name, value in H100.items() if "system-os_release" in name}
TWO = {"nvidia.com/gpu": "2"}


def node(name: str, labels: dict[str, str], capacity: dict[str, str] | None = None, **status: Any) -> dict[str, Any]:  # noqa: ANN401 - of the API's fields
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
    info = {"architecture": "amd64", "kernelVersion": "5.15.0-164-generic", "osImage": "Ubuntu 22.04.5 LTS"}
    found = {"capacity": {"cpu": "24", **(capacity or {})}, "conditions": [ready], "nodeInfo": info, **status}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "status": found}


def fleet(folder: Path, *nodes: dict[str, Any], kind: str = "List") -> Fleet:
    path = folder / "nodes.json"
    path.write_text(json.dumps({"apiVersion": "v1", "items": nodes, "kind": kind}))
    return read_fleet(path, MINIATURE)


def without(labels: dict[str, str], *names: str, **others: str) -> dict[str, str]:
    return {name: value for name, value in labels.items() if not name.endswith(names)} | others


def test_a_node_is_the_host_that_its_labels_tell(tmp_path: Path) -> None:
    host = fleet(tmp_path, node("gpu1", H100, TWO), kind="NodeList").hosts["gpu1"]
    assert len(host.gpus) == 2
    gpu, driver = host.gpus[0], host.drivers[0]
    assert (gpu.vendor, gpu.name, gpu.architecture) == ("nvidia", "NVIDIA-H100-80GB-HBM3", "sm_90")
    assert (gpu.memory_bytes, gpu.uuid, gpu.pci, gpu.partition) == (81559 << 20, None, None, None)
    assert (driver.version, driver.cuda, driver.flavour) == ("580.95.05", "13.0", None)
    assert (host.kernel, host.architecture, host.distribution) == ("5.15.0-164-generic", "x86_64", "ubuntu 22.04")
    assert (host.engine, host.toolkits) == (None, ())


def test_a_list_as_kubectl_prints_it() -> None:
    found = read_fleet(NODES, MINIATURE)
    assert {name: len(host.gpus) for name, host in found.hosts.items()} == {"gpu-1": 2, "gpu-2.example": 8, "cpu-1": 0}
    assert not found.broken


def test_the_items_of_a_nodelist_of_the_api_have_no_kind(tmp_path: Path) -> None:
    one = {name: value for name, value in node("gpu1", H100, TWO).items() if name in {"metadata", "status"}}
    assert list(fleet(tmp_path, one, kind="NodeList").hosts) == ["gpu1"]


def test_one_node_is_a_cluster_too(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps(node("gpu1", H100, TWO)))
    found = read_fleet(tmp_path / "one.json", MINIATURE)
    assert list(found.hosts) == ["gpu1"]
    assert "known by their labels" in found.warnings[0]


def test_old_releases_tell_the_driver_in_parts(tmp_path: Path) -> None:
    parts = {"major": "525", "minor": "125", "rev": "06"}
    labels = without(H100, ".full", **{f"nvidia.com/cuda.driver.{part}": value for part, value in parts.items()})
    assert fleet(tmp_path, node("a", labels, TWO)).hosts["a"].drivers[0].version == "525.125.06"
    labels["nvidia.com/cuda.driver.rev"] = ""
    assert fleet(tmp_path, node("a", labels, TWO)).hosts["a"].drivers[0].version == "525.125"


@pytest.mark.parametrize(
    ("labels", "capacity", "partitions"),
    [
        ({"gpu.product": "NVIDIA-H100-80GB-HBM3-SHARED", "gpu.replicas": "4"}, {"nvidia.com/gpu": "8"}, [None] * 2),
        ({"gpu.replicas": "4"}, {"nvidia.com/gpu.shared": "8"}, [None] * 2),
        (
            {"gpu.count": "14", "gpu.product": "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb"},
            {"nvidia.com/gpu": "14"},
            ["1g.10gb"] * 14,
        ),
        (
            {"mig-1g.10gb.count": "2", "mig-3g.40gb.count": "1", "mig.strategy": "mixed"},
            {"nvidia.com/gpu": "1", "nvidia.com/mig-1g.10gb": "2", "nvidia.com/mig-3g.40gb": "1"},
            [None, "1g.10gb", "1g.10gb", "3g.40gb"],
        ),
    ],
)
def test_shared_gpus_and_slices(
    tmp_path: Path, labels: dict[str, str], capacity: dict[str, str], partitions: list[str | None]
) -> None:
    told = H100 | {f"nvidia.com/{name}": value for name, value in labels.items()}
    host = fleet(tmp_path, node("a", told, capacity)).hosts["a"]
    assert [gpu.partition for gpu in host.gpus] == partitions
    assert {gpu.name for gpu in host.gpus} == {"NVIDIA-H100-80GB-HBM3"}


def test_amd_by_its_labeller(tmp_path: Path) -> None:
    host = fleet(tmp_path, node("a", MI300X, {"amd.com/gpu": "8"})).hosts["a"]
    assert len(host.gpus) == 8
    gpu, driver = host.gpus[0], host.drivers[0]
    assert (gpu.architecture, gpu.device_id, gpu.partition, gpu.memory_partition) == ("gfx942", "74a1", None, "NPS1")
    assert (driver.version, driver.release, driver.flavour) == ("6.14.14", "30.10", "dkms")
    cut = MI300X | {"amd.com/compute-memory-partition": "cpx_nps4"}
    host = fleet(tmp_path, node("a", cut, {"amd.com/cpx_nps4": "64"})).hosts["a"]
    assert (len(host.gpus), host.gpus[0].partition, host.gpus[0].memory_partition) == (64, "CPX", "NPS4")
    assert len(fleet(tmp_path, node("a", MI300X)).hosts["a"].gpus) == 8


BUS = "feature.node.kubernetes.io/pci-"


@pytest.mark.parametrize(
    ("labels", "capacity", "words"),
    [
        ({}, {}, "no label tells whether it has a GPU"),
        (NFD, {}, "no label tells whether it has a GPU"),
        ({f"{BUS}10de.present": "true"}, {}, "pci-10de.present, and no label tells of its NVIDIA GPUs"),
        ({f"{BUS}0302_10de.present": "true"}, {}, "and no label tells of its NVIDIA GPUs"),
        ({f"{BUS}1200_1002.present": "true"}, {}, "and no label tells of its AMD GPUs"),
        ({"nvidia.com/gpu.present": "true"}, {}, "and no label tells of its NVIDIA GPUs"),
        (NFD, {"amd.com/gpu": "8"}, "it offers amd.com/gpu"),
        (without(H100, "driver-version.full"), TWO, "its driver"),
        (without(H100, "compute.major", "compute.minor"), TWO, "compute capability"),
        (H100, {"nvidia.com/gpu": "4"}, "several models"),
        (
            H100 | {"nvidia.com/gpu.count": "0", "nvidia.com/gpu.product": "NVIDIA-H100-MIG-INVALID"},
            {},
            "several sizes",
        ),
        (H100 | {"nvidia.com/mig-1g.10gb.count": "7"}, {}, "offers nothing"),
        (H100 | {"nvidia.com/gpu.count": "9999999"}, {"nvidia.com/gpu": "9999999"}, "more GPUs than"),
        (MI300X, {"amd.com/gpu": "9999999"}, "how many GPUs"),
        (without(MI300X, "driver-version"), {}, "its driver"),
        (MI300X | {"amd.com/gpu.driver-version": ""}, {}, "its driver"),
        (MI300X | {"amd.com/gpu.device-id": "0000"}, {}, "several models"),
        (without(MI300X, "74a1") | {"amd.com/gpu.device-id": "ffff"}, {}, "device id ffff"),
        (without(MI300X, "memory-partition"), {}, "partitioned"),
        (without(MI300X, ".74a1"), {}, "how many GPUs"),
    ],
)
def test_what_labels_leave_open_is_not_known(
    tmp_path: Path, labels: dict[str, str], capacity: dict[str, str], words: str
) -> None:
    found = fleet(tmp_path, node("a", labels, capacity))
    assert (found.hosts, [(one.name, one.rule) for one in found.broken]) == ({}, [("a", "KGE-967")])
    assert words in found.broken[0].cause
    assert "kgpu-env fleet probe" in found.broken[0].fix


def test_a_node_without_a_gpu_is_known_where_its_displays_are_labelled(tmp_path: Path) -> None:
    found = fleet(tmp_path, node("a", {f"{BUS}0300_1a03.present": "true", f"{BUS}0680_10de.present": "true"}))
    assert found.hosts["a"].gpus == ()


@pytest.mark.parametrize(
    "status",
    [
        {"conditions": [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}]},
        {"conditions": [{"type": "Ready", "status": "False", "message": "container runtime is down"}]},
        {"conditions": []},
    ],
)
def test_the_labels_of_a_node_that_is_not_ready_are_not_believed(tmp_path: Path, status: dict[str, Any]) -> None:
    [broken] = fleet(tmp_path, node("a", H100, TWO, **status)).broken
    assert "may be of the past" in broken.cause


def test_a_machine_that_is_not_told_is_not_guessed(tmp_path: Path) -> None:
    for info in ({"architecture": "riscv64", "kernelVersion": "6.1"}, {"architecture": "amd64"}, {}):
        assert "architecture and kernel" in fleet(tmp_path, node("a", H100, TWO, nodeInfo=info)).broken[0].cause


def test_hostile_and_double_names(tmp_path: Path) -> None:
    found = fleet(tmp_path, node("a", H100, TWO), node("a", MI300X), node("$(id)\u202e", H100, TWO))
    assert list(found.hosts) == ["a"]
    assert found.hosts["a"].gpus[0].vendor == "nvidia"
    assert [text.isascii() for text in found.warnings] == [True] * 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"kind": "PodList", "items": []}',
        '{"kind": "List", "items": [{"kind": "Pod"}]}',
        "[" * 99999,
    ],
)
def test_something_else_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "nodes.json").write_text(text)
    with pytest.raises(InputError) as caught:
        read_fleet(tmp_path / "nodes.json", MINIATURE)
    assert (caught.value.code, "kubectl get nodes" in caught.value.fix) == ("KGE-966", True)


def test_an_empty_cluster_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        fleet(tmp_path)
    assert caught.value.code == "KGE-952"


def test_labels_make_no_node_healthy() -> None:
    found = read_fleet(NODES, MINIATURE)
    examined = examine_fleet(found, MINIATURE)
    assert (examined.healthy, {one.rule for one in examined.broken}) == ((), {"KGE-967"})
    now = datetime(2026, 11, 30, tzinfo=timezone.utc)
    told = status_of(found, Watch(catalogue=MINIATURE, now=now))
    assert {node.state for node in told.nodes} == {NodeState.UNKNOWN}
    assert told.nodes[0].why == ("its labels tell of no fault, and no probe has looked at it",)


def test_a_proof_and_its_labels_make_a_node_healthy() -> None:
    found = read_fleet(NODES, MINIATURE)
    host = found.hosts["gpu-1"]
    record = Record(
        tool="1",
        host=host_key(host, "gpu-1"),
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
    watch = Watch(
        catalogue=MINIATURE,
        now=datetime(2026, 11, 30, tzinfo=timezone.utc),
        proofs=Proofs(newest={"gpu-1": record}, refused={}),
    )
    states = {node.name: node.state for node in status_of(found, watch).nodes}
    assert states == {"gpu-1": "HEALTHY", "gpu-2.example": "WARNING", "cpu-1": "WARNING"}
    older = msgspec.structs.replace(record.host, drivers=("nvidia 570.1",))
    stale = Proofs(newest={"gpu-1": msgspec.structs.replace(record, host=older)}, refused={})
    [node] = [
        one for one in status_of(found, msgspec.structs.replace(watch, proofs=stale)).nodes if one.name == "gpu-1"
    ]
    assert (node.state, node.proof) == ("DRAIN", "stale")


def test_a_plan_by_labels(tmp_path: Path) -> None:
    found = fleet(tmp_path, node("a", H100, TWO), node("b", MI300X), node("c", {}))
    made = plan(MINIATURE, found.hosts)
    assert {one.name: one.image.partition("-")[0] for one in made.nodes} == {"a": "cuda", "b": "rocm"}
