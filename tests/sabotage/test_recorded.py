"""Sabotage that needs a GPU, or no machine at all: the judge on evidence."""

import importlib
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from provision.engine.protocol import Ran
from provision.model import Gpu, Proof, Verdict
from provision.model.host import DeviceNode
from provision.prove import Problem, parse_result
from provision.prove.control import with_control
from provision.prove.evidence import MARKER

V = importlib.import_module("tests.sabotage.conftest")  # as pytest names it with import-mode importlib
CUDA, ROCM, ON_CPU, GPU_RECORD, DONE = V.CUDA, V.ROCM, V.ON_CPU, V.GPU_RECORD, V.DONE
put, judged = V.put, V.judged

KFD = {"path": "/dev/kfd", "error": None}
FAILED = {"type": "InternalError", "text": "CUDNN_STATUS_NOT_INITIALIZED"}
GFX = (
    "Ignoring visible gpu device (device: 0, name: AMD Radeon RX 7600, pci bus id: 0000:17:00.0) with AMDGPU version : "
    "gfx1102. The supported AMDGPU versions are gfx1030, gfx1100."
)


def on_rocm(*changes: tuple[tuple[Any, ...], Any]) -> dict[str, Any]:
    record: dict[str, Any] = put(ON_CPU, (("build",), V.ROCM_BUILD), *changes)
    return record


def conv2d() -> int:
    return next(i for i, row in enumerate(GPU_RECORD["libraries"]) if row["name"] == "conv2d")


def replayed() -> Proof:
    line = f"{MARKER} old {json.dumps(GPU_RECORD | {'nonce': 'old'})}\n"
    found = parse_result(line, "new")
    assert isinstance(found, Problem)
    proof: Proof = judged(CUDA, found)
    return proof


def mig_gone() -> Proof:
    gpu = msgspec.structs.replace(V.GPU, uuid=f"MIG-{'0a' * 16}", partition="1g.10gb")
    other = [GPU_RECORD["driver"][0] | {"uuid": "1a" * 16}]
    proof: Proof = judged(msgspec.structs.replace(CUDA, gpus=(gpu,)), put(GPU_RECORD, (("driver",), other)))
    return proof


def product_on_cpu() -> Proof:
    ops = GPU_RECORD["trainings"][0]["ops"]
    at = next(i for i, op in enumerate(ops) if op["op"] == "MatMul")
    proof: Proof = judged(CUDA, put(GPU_RECORD, (("trainings", 0, "ops", at, "device"), "/device:CPU:0")))
    return proof


def trained(training: int, *path: Any, value: object) -> Proof:  # noqa: ANN401 - keys and numbers
    proof: Proof = judged(CUDA, put(GPU_RECORD, (("trainings", training, *path), value)))
    return proof


def inside_twice() -> Proof:
    """Return one GPU under two numbers; whatever is asked of each is asked first for its identity."""
    both = [GPU_RECORD["listing"][1] | {"name": f"/physical_device:GPU:{i}"} for i in (0, 1)]
    driver = [GPU_RECORD["driver"][0] | {"ordinal": i} for i in (0, 1)]
    other = msgspec.structs.replace(V.GPU, uuid="GPU-2", pci="0000:65:00.0")
    expectation = msgspec.structs.replace(CUDA, indices=(0, 1), gpus=(V.GPU, other))
    proof: Proof = judged(expectation, put(GPU_RECORD, (("listing",), both), (("driver",), driver), (("devices",), [])))
    return proof


def of_host(record: dict[str, Any] = GPU_RECORD, **known: object) -> Proof:
    proof: Proof = judged(msgspec.structs.replace(CUDA, **known), record)
    return proof


def other_partition() -> Proof:
    """Return a device of partition 0 for the host's partition 1: synthetic, as all of AMD's evidence."""
    shared: dict[str, Any] = {
        "vendor": "amd",
        "uuid": "GPU-3f1c3f1c3f1c3f1c",
        "pci": "0000:17:00.0",
        "partition": "CPX",
    }
    asked = Gpu(**shared, nodes=(DeviceNode(path="/dev/dri/renderD129"),))
    nodes = [KFD, {"path": "/dev/dri/renderD128", "error": None}]
    environment = GPU_RECORD["environment"] | {
        "nodes": nodes,
        "libraries": [{"name": "libamdhip64.so", "error": None}],
        "kfd": [{"node": 2, "drm_render_minor": 128}],
    }
    changes = {"build": V.ROCM_BUILD, "environment": environment, "devices": []}
    driver = [{"ordinal": 0, "pci": "0000:17:00.0", "uuid": "3f1c3f1c3f1c3f1c", "capacity": {}}]
    expectation = msgspec.structs.replace(ROCM, gpus=(asked,))
    proof: Proof = judged(expectation, GPU_RECORD | changes | {"driver": driver})
    return proof


T4 = GPU_RECORD["listing"][1] | {"description": "Tesla T4", "compute_capability": "7.5"}
CONSTANT = [0.313, 0.00768, 0.00378, 0.00246, 0.0018, 0.00141]  # computed: every label is the same
SHORT = {"device": "/GPU:0", "rounds": 1, "wrong": 0, "rates": [5e13] * 3, "seconds": 1e-3, "error": None}
CPU = "/job:localhost/replica:0/task:0/device:CPU:0"
PLAYED: dict[str, Callable[[], Proof]] = {
    "request-lost": lambda: judged(CUDA, ON_CPU),
    "cudnn-at-first-use": lambda: judged(
        CUDA,
        put(GPU_RECORD, (("libraries", conv2d(), "error"), FAILED)),
        stderr="Could not load library libcudnn_cnn.so.9: cannot open shared object file\n",
    ),
    "wrong-gfx": lambda: judged(ROCM, on_rocm((("environment", "nodes"), [KFD])), stderr=GFX),
    "kfd-without-group": lambda: judged(
        ROCM,
        on_rocm((("environment", "nodes"), [KFD | {"error": "Permission denied"}])),
        stderr="Unable to open /dev/kfd read-write: Permission denied\n",
    ),
    "weights-on-cpu": lambda: trained(0, "weights", 1, "device", value=CPU),
    "gradient-on-cpu": lambda: trained(0, "gradients", 2, "device", value=CPU),
    "product-on-cpu": product_on_cpu,
    "fit-on-cpu": lambda: judged(CUDA, put(GPU_RECORD, (("trainings", 2), V.CPU_RECORD["trainings"][1]))),
    "nan-losses": lambda: trained(0, "losses", 2, value=None),
    "flat-loss": lambda: trained(0, "losses", value=[2.3] * 6),
    "wrong-numbers": lambda: trained(0, "losses", 3, value=0.2),
    "no-memory-held": lambda: trained(0, "memory", value={"current": 0, "peak": 4096}),
    "another-gpu": lambda: judged(
        CUDA, put(GPU_RECORD, (("devices", 1, "text"), "device: 0, pci bus id: 0000:65:00.0"))
    ),
    "one-of-two": lambda: judged(msgspec.structs.replace(CUDA, indices=(0, 1)), GPU_RECORD),
    "mig-gone": mig_gone,
    "claimed": lambda: of_host(host_has_gpu=False, host_reason="no NVIDIA device on this host", gpus=()),
    "nothing-handed-in": lambda: of_host(handed_in=False),
    "another-machine": lambda: of_host(put(GPU_RECORD, (("environment", "boot_id"), "b-2")), boot_id="b-1"),
    "one-for-two": inside_twice,
    "other-partition": other_partition,
    "lesser-gpu": lambda: judged(
        msgspec.structs.replace(CUDA, gpus=(Gpu(vendor="nvidia", architecture="sm_90"),)),
        put(GPU_RECORD, (("listing", 1), T4), (("driver",), []), (("devices",), [])),
    ),
    "onednn-product": lambda: trained(
        2, "ops", value=[{"op": "_MklNativeFusedMatMul", "device": CPU, "floating": True, "count": 1}]
    ),
    "constant-labels": lambda: judged(
        CUDA, put(GPU_RECORD, (("trainings", 0, "losses"), CONSTANT), (("trainings", 1, "losses"), CONSTANT))
    ),
    "two-epochs": lambda: judged(
        CUDA, put(GPU_RECORD, (("trainings", 0, "losses"), [2.0, 0.1]), (("trainings", 1, "losses"), [2.0, 0.1]))
    ),
    "short-soak": lambda: of_host(put(GPU_RECORD, (("soaks",), [SHORT])), level="soak", minutes=1.0),
    "library-row-gone": lambda: judged(
        CUDA, put(GPU_RECORD, (("libraries",), [row for row in GPU_RECORD["libraries"] if row["name"] != "conv2d"]))
    ),
    "other-work": lambda: of_host(sent=GPU_RECORD["spec"] | {"epochs": 60}),
    "gpu-lost": lambda: trained(0, "error", value=V.VALUES.LOST),
    "control-passes": lambda: with_control(judged(CUDA, GPU_RECORD), judged(CUDA, GPU_RECORD), "the image"),
    "replayed": replayed,
    "clock": lambda: judged(CUDA, put(GPU_RECORD, (("seconds",), 86_400.0))),
    "wsl-without-gpu": lambda: judged(
        msgspec.structs.replace(CUDA, gpus=()),
        put(ON_CPU, (("environment", "nodes"), [{"path": "/dev/dxg", "error": None}])),
    ),
    "wsl-amd-without-gpu": lambda: judged(
        msgspec.structs.replace(ROCM, gpus=(Gpu(vendor="amd", name="AMD Radeon RX 7900 XTX", architecture="gfx1100"),)),
        on_rocm((("environment", "nodes"), [{"path": "/dev/dxg", "error": None}])),
    ),
}


def test_the_undamaged_records_are_proved() -> None:
    """What is sabotaged below would pass as it is."""
    assert judged(CUDA, GPU_RECORD).verdict is Verdict.PROVED
    assert with_control(judged(CUDA, GPU_RECORD), judged(CUDA, ON_CPU), "the image").verdict is Verdict.PROVED


@pytest.mark.parametrize("name", PLAYED)
def test_recorded_sabotage_is_never_proved(name: str) -> None:
    row = V.scenarios()[name]
    proof = PLAYED[name]()
    assert proof.verdict in {Verdict.NOT_PROVED, Verdict.INVALID}
    assert (proof.code, row.where) == (row.code, "recorded"), proof.reason
    assert proof.reason
    assert proof.fix


def test_every_reason_is_its_own() -> None:
    """Two scenarios may share a code, but then what was seen tells them apart."""
    proofs = {name: play() for name, play in PLAYED.items()}
    words = [(proof.code, proof.reason, proof.seen) for proof in proofs.values()]
    assert len(set(words)) == len(words)


def test_every_recorded_scenario_is_played() -> None:
    assert {name for name, row in V.scenarios().items() if row.where == "recorded"} == set(PLAYED)


BAD_ENDS = [
    Ran(exit_code=137, stdout="", stderr="", seconds=60.0),
    Ran(exit_code=None, stdout="", stderr="", seconds=60.0, timed_out=True),
]


@pytest.mark.parametrize("ran", BAD_ENDS)
def test_good_evidence_of_a_bad_end_is_not_proved(ran: Ran) -> None:
    assert judged(CUDA, GPU_RECORD, ran).verdict is Verdict.NOT_PROVED
