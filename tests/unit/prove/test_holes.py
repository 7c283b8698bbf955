"""What was proved on 2026-11-29 and must not be: each hole with its kind. The evidence is recorded, with changes."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from provision.engine.protocol import Ran
from provision.model import Gpu, Host, Proof, Status, Vendor, Verdict
from provision.model.host import DeviceNode
from provision.model.selection import visible
from provision.probe.monitor import HostView
from provision.prove import Evidence, Expectation, Problem
from provision.prove.checks.curve import FIT, NAMED
from provision.prove.host_monitor import boot_id
from provision.prove.judge import judge

Put = Callable[..., Proof]
TENSORFLOW = "/job:localhost/replica:0/task:0/device:"
TWO = [
    {"name": f"/physical_device:GPU:{i}", "type": "GPU", "description": "NVIDIA H100", "compute_capability": "9.0"}
    for i in (0, 1)
]


def of(proof: Proof, name: str) -> tuple[Status, str]:
    return next((check.status, check.detail) for check in proof.checks if check.name == name)


def put(record: dict[str, Any], *changes: tuple[tuple[Any, ...], Any]) -> Evidence:
    made: Any = json.loads(json.dumps(record))
    for path, value in changes:
        at = made
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value
    return msgspec.convert(made, Evidence)


@pytest.fixture
def judged(cuda: Expectation, done: Ran, gpu_record: dict[str, Any]) -> Put:
    def run(*changes: tuple[tuple[Any, ...], Any], outside: HostView | None = None, **more: object) -> Proof:
        expectation = msgspec.structs.replace(cuda, **more)
        return judge(expectation, done, put(gpu_record, *changes), outside=outside)

    return run


# 1: the host


def test_no_image_talks_a_gpu_into_a_host_that_has_none(judged: Put) -> None:
    proof = judged(host_has_gpu=False, host_reason="no NVIDIA device on this host", gpus=())
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-501")
    assert proof.reason.startswith("no NVIDIA device on this host")


def test_what_was_not_handed_in_is_not_there(judged: Put) -> None:
    proof = judged(handed_in=False)
    assert (proof.verdict, proof.code, proof.reason) == (
        Verdict.NOT_PROVED,
        "KGE-501",
        "no GPU was handed to the container",
    )
    assert "engine" in proof.fix
    assert judged(handed_in=False, here=True).verdict is Verdict.PROVED, "here nobody hands anything in"


def test_without_evidence_the_host_is_asked_all_the_same(cuda: Expectation, done: Ran) -> None:
    without = msgspec.structs.replace(cuda, host_has_gpu=False, host_reason="no NVIDIA device on this host")
    proof = judge(without, done, Problem(what="no result line"))
    assert of(proof, "host") == (Status.FAIL, "no NVIDIA device on this host")


# 2: the machine


def test_another_kernel_proves_nothing_for_this_host(judged: Put) -> None:
    inside = (("environment", "boot_id"), "b-2")
    proof = judged(inside, boot_id="b-1", engine="docker at tcp://10.0.0.7:2375, which is node8")
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-595")
    assert "node8" in proof.seen
    assert of(judged(inside, boot_id="b-2"), "machine")[0] is Status.PASS
    # A container that hides the boot id from this tool hides no process of its own.
    seen = judged(inside, boot_id="b-1", outside=HostView(pid=7, source="nvidia-smi"))
    assert (seen.verdict, of(seen, "machine")[0]) == (Verdict.PROVED, Status.PASS)
    for unknown in (judged(boot_id="b-1"), judged(inside)):
        assert (unknown.verdict, of(unknown, "machine")[0]) == (Verdict.PROVED, Status.UNKNOWN)


def test_this_kernel_has_a_number() -> None:
    assert boot_id() == boot_id() != ""


# 3: one for two


@pytest.fixture
def twins(gpu_record: dict[str, Any]) -> list[tuple[tuple[Any, ...], Any]]:
    """One device under two numbers, and everything twice that is asked of each."""
    first, reference, fit = gpu_record["trainings"]
    second = json.loads(json.dumps(first).replace("GPU:0", "GPU:1"))
    rows = [row for row in gpu_record["libraries"] if row["name"] != "collective"]
    other = json.loads(json.dumps(rows).replace("GPU:0", "GPU:1"))
    both = {"name": "collective", "device": "/GPU:0 /GPU:1", "place": f"{TENSORFLOW}GPU:1", "difference": 0.0}
    collective = {**both, "seconds": 0.1, "error": None}
    product = json.loads(json.dumps(gpu_record["products"][0]).replace("GPU:0", "GPU:1"))
    described = gpu_record["devices"][1]
    return [
        (("listing",), [gpu_record["listing"][0], *TWO]),
        (("trainings",), [first, second, reference, fit]),
        (("libraries",), [*rows, *other, collective]),
        (("products",), [*gpu_record["products"], product]),
        (("devices",), [described, described | {"name": "/device:GPU:1"}]),
        (("driver",), [gpu_record["driver"][0], gpu_record["driver"][0] | {"ordinal": 1}]),
    ]


OTHER = Gpu(vendor="nvidia", uuid=f"GPU-{'2b' * 16}", pci="0000:65:00.0", architecture="sm_90")


def test_one_device_is_not_two(judged: Put, cuda: Expectation, twins: list[Any]) -> None:
    proof = judged(*twins, indices=(0, 1), gpus=(*cuda.gpus, OTHER))
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-508")
    assert "one device is there for two" in of(proof, "identity")[1]


def test_two_devices_are_two(judged: Put, cuda: Expectation, twins: list[Any]) -> None:
    at = {"pci": OTHER.pci, "uuid": "2b" * 16, "ordinal": 1}
    text = (("devices", 1, "text"), "device: 1, name: NVIDIA H100, pci bus id: 0000:65:00.0")
    proof = judged(*twins, (("driver", 1), twins[-1][1][1] | at), text, indices=(0, 1), gpus=(*cuda.gpus, OTHER))
    assert (proof.verdict, proof.reason) == (Verdict.PROVED, "the model trained and learned on cuda GPU 0, 1")


def test_without_names_two_devices_are_still_not_one(judged: Put, twins: list[Any]) -> None:
    """A host that knows one GPU, and two devices inside that tell no address."""
    nameless: list[tuple[tuple[Any, ...], Any]] = [(("driver",), []), (("devices",), [])]
    alone = Gpu(vendor="nvidia", architecture="sm_90")
    proof = judged(*twins, *nameless, indices=(0, 1), gpus=(alone,))
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-508")


def test_one_that_was_asked_for_is_missing(judged: Put, cuda: Expectation) -> None:
    proof = judged(indices=(0,), gpus=(*cuda.gpus, OTHER))
    assert (proof.verdict, of(proof, "identity")[0]) == (Verdict.NOT_PROVED, Status.FAIL)
    assert str(OTHER.uuid) in of(proof, "identity")[1]


# 4: partitions

CARD = "GPU-3f1c3f1c3f1c3f1c"


def partition(number: int) -> Gpu:
    own = (DeviceNode(path=f"/dev/dri/renderD{128 + number}"),)
    fields = {"partition": "CPX", "kfd_node": 2 + number, "nodes": own, "architecture": "gfx942"}
    return Gpu(vendor="amd", uuid=CARD, pci="0000:05:00.0", **fields)  # type: ignore[arg-type] # of several types


def inside(record: dict[str, Any], *numbers: int, variables: dict[str, str] | None = None) -> Evidence:
    """Return what is recorded in a container that was given partitions, with one device of the framework."""
    made = json.loads(json.dumps(record))
    unique, nodes = int(CARD[4:], 16), [{"path": "/dev/kfd", "error": None}]
    nodes += [{"path": f"/dev/dri/renderD{128 + i}", "error": None} for i in numbers]
    kfd = [
        {"node": 2 + i, "drm_render_minor": 128 + i, "unique_id": unique, "gfx_target_version": 90402} for i in numbers
    ]
    made["environment"] |= {"nodes": nodes, "kfd": kfd, "variables": variables or {}}
    made["driver"] = [{"ordinal": 0, "pci": "0000:05:00.0", "uuid": CARD[4:], "capacity": {}}]
    made["devices"] = []
    return msgspec.convert(made, Evidence)


def on_amd(evidence: Evidence, done: Ran, *gpus: Gpu, **more: Any) -> Proof:  # noqa: ANN401 - fields of several types
    expectation = Expectation(vendor=Vendor.ROCM, indices=tuple(range(len(gpus))), gpus=gpus)
    return judge(msgspec.structs.replace(expectation, **more), done, evidence)


def test_a_partition_is_not_another_of_its_card(done: Ran, amd_record: dict[str, Any]) -> None:
    right = on_amd(inside(amd_record, 1), done, partition(1))
    assert (right.verdict, of(right, "identity")[0]) == (Verdict.PROVED, Status.PASS)
    assert right.devices[0].node == "/dev/dri/renderD129"
    wrong = on_amd(inside(amd_record, 0), done, partition(1))
    assert (wrong.verdict, of(wrong, "identity")[0]) == (Verdict.NOT_PROVED, Status.FAIL)


def test_one_partition_is_not_four(done: Ran, amd_record: dict[str, Any]) -> None:
    gpus = tuple(map(partition, range(4)))
    proof = on_amd(inside(amd_record, 0), done, *gpus, here=True, indices=())
    assert [one.seen for one in proof.expected] == [True], "all that this environment shows"
    assert on_amd(inside(amd_record, 0), done, *gpus).verdict is Verdict.NOT_PROVED


def test_variables_say_which_partition_is_shown(done: Ran, amd_record: dict[str, Any]) -> None:
    for variables, own in (({"ROCR_VISIBLE_DEVICES": "2"}, 2), ({"HIP_VISIBLE_DEVICES": "1"}, 1)):
        evidence = inside(amd_record, 0, 1, 2, 3, variables=variables)
        assert of(on_amd(evidence, done, partition(own)), "identity")[0] is Status.PASS
        assert of(on_amd(evidence, done, partition(3)), "identity")[0] is Status.FAIL
    vague = inside(amd_record, 0, 1, variables={"GPU_DEVICE_ORDINAL": "1"})
    assert of(on_amd(vague, done, partition(1)), "identity")[0] is Status.UNKNOWN


# 5: numbers


def test_numbers_are_translated_to_names_that_are_sure() -> None:
    uuids = [f"GPU-{i}{'0' * 15}" for i in range(4)]
    # In PCI order; KFD counts the other way round.
    gpus = tuple(Gpu(vendor="amd", uuid=uuid, kfd_node=9 - i) for i, uuid in enumerate(uuids))
    assert [visible(Host(gpus=gpus), "amd", str(i)) for i in range(4)] == uuids
    parts = tuple(msgspec.structs.replace(gpu, uuid=CARD) for gpu in gpus)
    assert [visible(Host(gpus=parts), "amd", str(i)) for i in range(4)] == ["3", "2", "1", "0"]
    cuda = (Gpu(vendor="nvidia", uuid="GPU-1"), Gpu(vendor="nvidia"))
    assert [visible(Host(gpus=cuda), "nvidia", str(i)) for i in range(2)] == ["GPU-1", "1"]


# 6: fit


def ops(*names: str, at: str = "CPU:0") -> tuple[tuple[Any, ...], Any]:
    return ("trainings", 2, "ops"), [
        {"op": name, "device": TENSORFLOW + at, "floating": True, "count": 1} for name in names
    ]


FIT_ELSEWHERE = ["_MklMatMul", "_MklNativeFusedMatMul", "_XlaRun", "_XlaCompile", "_FusedMatMul", "BatchMatMulV2"]
FIT_ELSEWHERE += [
    "Relu",
    "ReluGrad",
    "BiasAddGrad",
    "SoftmaxCrossEntropyWithLogits",
    "ResourceApplyAdam",
    "Einsum",
    "IfX",
]


@pytest.mark.parametrize("name", FIT_ELSEWHERE)
def test_no_work_of_fit_is_on_the_host_under_any_name(name: str, judged: Put) -> None:
    assert (judged(ops(name)).verdict, judged(ops(name)).code) == (Verdict.NOT_PROVED, "KGE-508")
    assert judged(ops(name, at="GPU:0")).verdict is Verdict.PROVED


def test_what_belongs_on_the_host_may_be_there(judged: Put) -> None:
    names = ["IteratorGetNext", "_Send", "_Recv", "Identity", "NoOp", "Const", "Cast", "AssignAddVariableOp", "AddV2"]
    names += ["ReadVariableOp", "StatefulPartitionedCall", "ConcatV2", "StridedSlice", "TensorSliceDataset", "Pow"]
    assert judged(ops(*names)).verdict is Verdict.PROVED


def test_fit_s_memory_is_looked_at(judged: Put) -> None:
    elsewhere = judged((("trainings", 2, "tensors", 0, "memory"), f"{TENSORFLOW}CPU:0"))
    assert (elsewhere.verdict, elsewhere.code) == (Verdict.NOT_PROVED, "KGE-508")
    assert "used CPU:0, not GPU:0" in of(elsewhere, "implicit")[1]


# 7: to the contrary


def contrary(record: dict[str, Any]) -> list[tuple[tuple[Any, ...], Any]]:
    """Return the record's changes after which no address is told."""
    return [(("driver",), []), (("devices",), []), (("listing", 1), record["listing"][1])]


T4 = {"name": "/physical_device:GPU:0", "type": "GPU", "description": "Tesla T4", "compute_capability": "7.5"}
CONTRARY: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # fields of the host's GPU, and of what is listed
    "architecture": ({"architecture": "sm_90"}, T4),
    "name": ({"name": "NVIDIA H100 80GB HBM3"}, T4 | {"description": "NVIDIA H200"}),
}


@pytest.mark.parametrize("name", CONTRARY)
def test_an_unknown_identity_is_no_excuse(name: str, judged: Put, gpu_record: dict[str, Any]) -> None:
    fields, listed = CONTRARY[name]
    changes = [*contrary(gpu_record), (("listing", 1), listed)]
    proof = judged(*changes, gpus=(Gpu(vendor="nvidia", **fields),))
    assert (proof.verdict, proof.code, of(proof, "identity")[0]) == (Verdict.NOT_PROVED, "KGE-508", Status.FAIL)
    unknown = judged(*contrary(gpu_record), gpus=(Gpu(vendor="nvidia", **fields),))
    assert (unknown.verdict, of(unknown, "identity")[0]) == (Verdict.PROVED, Status.UNKNOWN)


def test_more_memory_than_the_host_has_is_another_s(judged: Put, cuda: Expectation) -> None:
    gpu = msgspec.structs.replace(cuda.gpus[0], memory_bytes=81559 << 20)  # as nvidia-smi tells it of an H100
    assert judged(gpus=(gpu,)).verdict is Verdict.PROVED
    assert judged((("devices", 1, "bytes"), 150 << 30), gpus=(gpu,)).verdict is Verdict.NOT_PROVED
    told = ("driver", 0, "capacity", "memory_bytes")
    assert judged((told, 81079 << 20), gpus=(gpu,)).verdict is Verdict.PROVED
    assert judged((told, 16 << 30), gpus=(gpu,)).verdict is Verdict.NOT_PROVED
    piece = msgspec.structs.replace(gpu, partition="1g.10gb", memory_bytes=9856 << 20)
    assert judged((("devices", 1, "bytes"), 9 << 30), (told, 9856 << 20), gpus=(piece,)).verdict is Verdict.PROVED
    assert judged((told, 81079 << 20), gpus=(piece,)).verdict is Verdict.NOT_PROVED, "the whole GPU, not its slice"


def test_a_slice_is_named_after_its_gpu(judged: Put, cuda: Expectation) -> None:
    gpu = msgspec.structs.replace(cuda.gpus[0], name="NVIDIA H100 80GB HBM3", partition="1g.10gb")
    named = (("listing", 1, "description"), "NVIDIA H100 80GB HBM3 MIG 1g.10gb")
    assert judged(named, gpus=(gpu,)).verdict is Verdict.PROVED


# 8: the curve


def curve(training: int, losses: list[float]) -> tuple[tuple[Any, ...], Any]:
    return ("trainings", training, "losses"), losses


def both(losses: list[float]) -> list[tuple[tuple[Any, ...], Any]]:
    """Return the losses of GPU and CPU, which agree."""
    return [curve(0, losses), curve(1, losses)]


CURVES = {
    "constant labels": [*both([0.313, 0.00768, 0.00378, 0.00246, 0.0018, 0.00141])],
    "a start below the bound": both([0.2, 0.15, 0.12, 0.1, 0.09, 0.08]),
    "two of six epochs": both([2.0186, 0.2]),
    "one epoch too many": both([*NAMED, 0.04]),
    "a rise at first": both([2.0186, 2.5, 0.3741, 0.1426, 0.077, 0.0503]),
    "too well learned": both([value * 0.9 for value in NAMED]),
    "constant labels in fit": [curve(2, [1.8645, 0.858, 0.2027, 0.0536, 0.0259, 0.0168])],
    "two epochs of fit": [curve(2, [FIT[0], 0.1])],
    "another bound": [(("bound",), 2.0)],
}


@pytest.mark.parametrize("name", CURVES)
def test_another_curve_is_another_training(name: str, judged: Put) -> None:
    proof = judged(*CURVES[name])
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-596"), proof.reason


def test_other_arithmetic_is_the_same_training(judged: Put) -> None:
    """TensorFloat-32 moves a loss by 7e-5, bfloat16 by 5e-4 of itself; other first weights of fit by 11 %."""
    assert judged(*both([value * (1 + 5.4e-4) for value in NAMED])).verdict is Verdict.PROVED
    assert judged(curve(2, [value * 1.11 for value in FIT])).verdict is Verdict.PROVED
    assert judged(curve(2, [value * 0.89 for value in FIT])).verdict is Verdict.PROVED


def test_more_epochs_go_on(judged: Put) -> None:
    ten = [0.036, 0.027, 0.022, 0.018]
    longer = [*both([*NAMED, *ten]), curve(2, [*FIT, 0.02, 0.015, 0.012, 0.01])]
    assert judged(*longer, epochs=10).verdict is Verdict.PROVED
    risen = [*both([*NAMED, 0.036, 0.2, 0.1, 0.05]), longer[-1]]
    assert judged(*risen, epochs=10).code == "KGE-596"


# 9: the rest


@pytest.mark.parametrize("rate", [0.0, -1.0])
def test_a_cpu_without_a_rate_is_no_measure(rate: float, judged: Put) -> None:
    proof = judged((("speeds", 1, "flops"), rate))
    assert (proof.verdict, of(proof, "speed")[0]) == (Verdict.PROVED, Status.UNKNOWN)


SOAK = {"device": "/GPU:0", "rounds": 90, "wrong": 0, "rates": [5e12, 4e12, 5e12], "seconds": 60.0, "error": None}


@pytest.mark.parametrize("change", [{"seconds": 1e-3, "rounds": 1}, {"seconds": 59.0}, {"rates": [5e12, 0.0, 5e12]}])
def test_a_soak_takes_its_minutes(change: dict[str, Any], judged: Put) -> None:
    assert judged((("soaks",), [SOAK]), level="soak", minutes=1.0).verdict is Verdict.PROVED
    proof = judged((("soaks",), [SOAK | change]), level="soak", minutes=1.0)
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-583")


def test_the_table_of_libraries_is_whole(judged: Put, gpu_record: dict[str, Any]) -> None:
    rows = gpu_record["libraries"]
    for name in {row["name"] for row in rows}:
        proof = judged((("libraries",), [row for row in rows if row["name"] != name]))
        assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-582")
        assert name in of(proof, "libraries")[1]
    assert judged((("libraries",), [])).verdict is Verdict.NOT_PROVED


def test_the_table_is_of_every_device(judged: Put, cuda: Expectation, twins: list[Any]) -> None:
    lacking = [twins[2][1][i] for i in range(9)] + [twins[2][1][-1]]
    proof = judged(*twins, (("libraries",), lacking), indices=(0, 1), gpus=(*cuda.gpus, OTHER))
    assert of(proof, "libraries")[0] is Status.FAIL
    assert "matmul on GPU:1" in of(proof, "libraries")[1]


def test_another_schema_is_no_evidence(judged: Put) -> None:
    proof = judged((("schema",), "kgpu-env/evidence/2"))
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-503")


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("seconds", [None, 0.0])
def test_a_training_takes_time(number: int, seconds: float | None, judged: Put) -> None:
    proof = judged((("trainings", number, "seconds"), seconds))
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-503")


def test_it_did_what_it_was_sent(judged: Put, gpu_record: dict[str, Any], cuda: Expectation, done: Ran) -> None:
    sent = gpu_record["spec"]
    assert judged(sent=sent).verdict is Verdict.PROVED
    for name in sent:
        proof = judged(sent=sent | {name: "another"})
        assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-503")
        assert name in of(proof, "reported")[1]
    silent = {key: value for key, value in gpu_record.items() if key != "spec"}
    asked = msgspec.structs.replace(cuda, sent=sent)
    assert judge(asked, done, put(silent)).verdict is Verdict.NOT_PROVED
    assert judge(cuda, done, put(silent)).verdict is Verdict.PROVED, "evidence of an older tool is read"
