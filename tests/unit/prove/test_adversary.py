"""Every record of real hardware, altered as reality could: what is refused, by which check, and in which words.

Each of docs/hardware/*.evidence.json is proved as it is. Each alteration is one that a host, a driver, a framework or
an engine could cause; none makes up a record as a whole.
"""

import importlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from provision.catalogue import load
from provision.engine.protocol import Ran
from provision.model import Gpu, Proof, Status, Vendor, Verdict
from provision.prove import Evidence, Expectation, Problem, parse_result
from provision.prove.checks.placement import HEAVY
from provision.prove.control import with_control
from provision.prove.evidence import MARKER
from provision.prove.judge import judge

V = importlib.import_module("tests.unit.prove.conftest")  # as pytest names it with import-mode importlib
FILES: list[Path] = sorted(V.HARDWARE.glob("*.evidence.json"))
DONE = Ran(exit_code=0, stdout="", stderr="", seconds=120.0)
NAMES = {  # a framework's name of GPU:0, of a second GPU, and of the CPU
    "tensorflow": tuple(f"/job:localhost/replica:0/task:0/device:{name}" for name in ("GPU:0", "GPU:1", "CPU:0")),
    "jax": ("gpu:0", "gpu:1", "cpu:0"),
    "torch": ("cuda:0", "cuda:1", "cpu"),
}


class Case:
    """A record that may be altered, and the names that its framework gives to devices."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.record = record
        self.backend: str = record["spec"]["backend"]
        self.gpu, self.other, self.cpu = NAMES[self.backend]
        self.explicit, self.reference, self.implicit = record["trainings"]
        self.known: Gpu = V.gpu_of(record)  # as the host knows it, before anything is altered

    def products(self) -> Iterator[dict[str, Any]]:
        """Yield the matrix products of the explicit step."""
        return (op for op in self.explicit["ops"] if op["op"] in HEAVY)

    def moved(self, record: dict[str, Any], to: str) -> None:
        """Have all of a training happen on another device."""
        for item in (one for key in ("weights", "tensors", "gradients", "ops") for one in record[key] or ()):
            item.update({key: to for key in ("device", "memory") if item.get(key)})

    def judged(self, ran: Ran = DONE, **more: object) -> Proof:
        """Judge it, with the whole catalogue of messages."""
        expectation = Expectation(vendor=Vendor.CUDA, indices=(0,), gpus=(self.known,), backend=self.backend)  # type: ignore[arg-type] # the record's own
        expectation = msgspec.structs.replace(expectation, **more)
        return judge(expectation, ran, msgspec.convert(self.record, Evidence), load().errors)


@pytest.fixture(params=FILES, ids=lambda path: path.name.removesuffix(".evidence.json"))
def case(request: pytest.FixtureRequest) -> Case:
    return Case(json.loads(request.param.read_text()))


def of(proof: Proof, name: str) -> tuple[Status, str]:
    return next((check.status, check.detail) for check in proof.checks if check.name == name)


def test_there_is_a_record_of_each_backend() -> None:
    assert {Case(json.loads(path.read_text())).backend for path in FILES} == set(NAMES)


def test_as_it_was_recorded_it_is_proved(case: Case) -> None:
    for here, indices in ((False, (0,)), (True, ())):
        proof = case.judged(here=here, indices=indices)
        assert proof.verdict is Verdict.PROVED, proof.reason


class Refused(NamedTuple):
    """An alteration, the check that fails by it, and a part of what that check says."""

    check: str
    says: str
    code: str
    alter: Callable[[Case], object]


def lost(case: Case) -> None:
    """Lose the GPU in the middle of the training; the framework then still lists it."""
    case.explicit.update(error=V.LOST, losses=case.explicit["losses"][:2], gradients=[], tensors=[], ops=None)


def second_gpu(case: Case) -> None:
    """Have the host's other GPU inside: another UUID, and another PCI address wherever one is told."""
    case.record["driver"][0].update(uuid="1f" * 16, pci="0000:00:07.0")
    for device in case.record["devices"]:
        device["text"] = device["text"].replace("0000:00:06.0", "0000:00:07.0")


def no_products(case: Case) -> None:
    case.explicit["ops"] = [op for op in case.explicit["ops"] if op["op"] not in HEAVY]


def backward_on_cpu(case: Case) -> None:
    """Have three of the step's five products on the CPU, as a framework does that lacks a kernel."""
    product = next(case.products())
    case.explicit["ops"].append(product | {"device": case.cpu, "count": 3})
    product["count"] -= 3


def library(case: Case, name: str) -> dict[str, Any]:
    return next(row for row in case.record["libraries"] if row["name"] == name)


REFUSED = {
    "a weight on the CPU": Refused(
        "placement", "at CPU:0", "KGE-508", lambda case: case.explicit["weights"][2].update(device=case.cpu)
    ),
    "a gradient on the CPU": Refused(
        "placement", "at CPU:0", "KGE-508", lambda case: case.explicit["gradients"][0].update(device=case.cpu)
    ),
    "the loss on the CPU": Refused(
        "placement", "loss is at CPU:0", "KGE-508", lambda case: case.explicit["tensors"][1].update(device=case.cpu)
    ),
    "the backward pass on the CPU": Refused("placement", "ran on CPU:0", "KGE-508", backward_on_cpu),
    "all of it on another GPU": Refused(
        "placement", "at GPU:1, not GPU:0", "KGE-508", lambda case: case.moved(case.explicit, case.other)
    ),
    "a weight on two devices": Refused(
        "placement",
        "not GPU:0",
        "KGE-508",
        lambda case: case.explicit["weights"][0].update(device=f"{case.gpu} {case.other}"),
    ),
    "a step on two devices": Refused(
        "placement",
        ", not GPU:0",
        "KGE-508",
        lambda case: [op.update(device=f"{case.gpu} {case.other}") for op in case.explicit["ops"]],
    ),
    "a trace without products": Refused("placement", "no matrix product", "KGE-508", no_products),
    "products that never ran": Refused(
        "placement", "no matrix product", "KGE-508", lambda case: [op.update(count=0) for op in case.products()]
    ),
    "no trace": Refused(
        "placement", "could not be traced", "KGE-508", lambda case: case.explicit.update(ops=None, ops_error=V.LOST)
    ),
    "three weights": Refused("placement", "3 weights", "KGE-508", lambda case: case.explicit["weights"].pop()),
    "the GPU is lost while it trains": Refused("placement", "Xid 79", "KGE-757", lost),
    "fit on the CPU": Refused("implicit", "used CPU:0", "KGE-508", lambda case: case.moved(case.implicit, case.cpu)),
    "fit's output on the CPU": Refused(
        "implicit", "used CPU:0", "KGE-508", lambda case: case.implicit["tensors"][0].update(device=case.cpu)
    ),
    "fit over two devices": Refused(
        "implicit",
        "fit without a device used",
        "KGE-508",
        lambda case: case.implicit["weights"][0].update(device=f"{case.gpu} {case.cpu}"),
    ),
    "fit's product on the CPU": Refused(
        "implicit",
        "used CPU:0",
        "KGE-508",
        lambda case: case.implicit.update(ops=[next(case.products()) | {"device": case.cpu}]),
    ),
    "fit fails": Refused("implicit", "Xid 79", "KGE-757", lambda case: case.implicit.update(error=V.LOST)),
    "NaN on the GPU": Refused(
        "training", "not a number", "KGE-509", lambda case: case.explicit["losses"].__setitem__(3, None)
    ),
    "NaN in fit": Refused(
        "training", "not a number", "KGE-509", lambda case: case.implicit["losses"].__setitem__(-1, None)
    ),
    "nothing learned": Refused(
        "training", "not below", "KGE-509", lambda case: case.explicit.update(losses=[2.303] * 6)
    ),
    "a curve of bad kernels": Refused(
        "numerics", "from the CPU's", "KGE-580", lambda case: case.explicit["losses"].__setitem__(2, 0.42)
    ),
    "a curve that ends early": Refused(
        "numerics", "inf from the CPU's", "KGE-580", lambda case: case.explicit["losses"].pop(2)
    ),
    "a product computed on the CPU": Refused(
        "numerics", "computed on CPU:0", "KGE-580", lambda case: case.record["products"][0].update(place=case.cpu)
    ),
    "a product of half precision": Refused(
        "numerics", "0.0026 from", "KGE-580", lambda case: case.record["products"][0].update(difference=2.6e-3)
    ),
    "a product that failed": Refused(
        "numerics", "Xid 79", "KGE-580", lambda case: case.record["products"][0].update(error=V.LOST)
    ),
    "the other GPU of the host": Refused("identity", "not a GPU that was asked for", "KGE-508", second_gpu),
    "memory of another process": Refused(
        "work", "4096 bytes", "KGE-581", lambda case: case.explicit.update(memory={"current": 0, "peak": 4096})
    ),
    "a convolution on the CPU": Refused(
        "libraries",
        "conv2d (cuDNN) wrong",
        "KGE-582",
        lambda case: library(case, "conv2d").update(place=case.cpu),
    ),
    "an LSTM without its library": Refused(
        "libraries", "lstm (cuDNN) missing", "KGE-582", lambda case: library(case, "lstm").update(error=V.LOST)
    ),
    "a node that the cgroup closes": Refused(
        "visible",
        "/dev/nvidia0 cannot be opened",
        "KGE-507",
        lambda case: case.record["environment"].update(
            nodes=[{"path": "/dev/nvidia0", "error": "Operation not permitted"}]
        ),
    ),
    "a GPU that is no longer listed": Refused(
        "visible", "lists 0 GPU(s), 1 asked for", "KGE-507", lambda case: case.record["listing"].pop()
    ),
    "a build for the other maker": Refused(
        "build",
        "not a cuda build",
        "KGE-506",
        lambda case: case.record["build"].update(is_cuda_build="False", is_rocm_build="True"),
    ),
    "a clock that jumped": Refused(
        "reported", "clock cannot be right", "KGE-503", lambda case: case.record.update(seconds=86_400.0)
    ),
    "a run that was stopped": Refused("reported", "SIGTERM", "KGE-503", lambda case: case.record.update(stopped=True)),
    "the CPU's training on the GPU as well": Refused(
        "numerics", "nothing to compare with", "KGE-580", lambda case: case.moved(case.reference, case.gpu)
    ),
    "the CPU's product on the GPU as well": Refused(
        "numerics", "nothing to compare with", "KGE-580", lambda case: case.record["products"][1].update(place=case.gpu)
    ),
    "TensorFloat-32 where float32 was asked": Refused(
        "numerics", "0.00037 from", "KGE-580", lambda case: case.record["products"][0].update(difference=3.7e-4)
    ),
    "a training in bfloat16": Refused(
        "numerics", "0.015 from", "KGE-580", lambda case: case.explicit["losses"].__setitem__(2, 0.3891)
    ),
    "the backward pass was not traced": Refused(
        "placement", "2 matrix products", "KGE-508", lambda case: [op.update(count=2) for op in case.products()]
    ),
    "fit on the other GPU": Refused(
        "implicit", "used GPU:1, not GPU:0", "KGE-508", lambda case: case.moved(case.implicit, case.other)
    ),
    "another framework than the one asked for": Refused(
        "build", "is not what ran", "KGE-506", lambda case: case.record["versions"].pop(case.backend)
    ),
    "a training longer than its run": Refused(
        "reported", "clock cannot be right", "KGE-503", lambda case: case.explicit.update(seconds=9999.0)
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_altered_record_is_refused_in_its_own_words(name: str, case: Case) -> None:
    refused = REFUSED[name]
    refused.alter(case)
    proof = case.judged()
    status, detail = of(proof, refused.check)
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, refused.code), proof.reason
    assert status in {Status.FAIL, Status.UNKNOWN}
    assert refused.says in detail
    assert proof.reason
    assert proof.fix
    assert case.judged(here=True, indices=()).verdict is Verdict.NOT_PROVED, "nor without an engine"


@pytest.mark.parametrize("missing", ["training", "product"])
def test_without_the_cpu_nothing_is_compared_and_nothing_proved(missing: str, case: Case) -> None:
    del (case.record["trainings"] if missing == "training" else case.record["products"])[1]
    proof = case.judged()
    assert proof.verdict is Verdict.NOT_PROVED
    assert of(proof, "numerics")[0] is Status.UNKNOWN


def test_another_slice_of_the_same_gpu_is_refused(case: Case) -> None:
    asked = msgspec.structs.replace(case.known, uuid=f"MIG-{'0a' * 16}", partition="1g.10gb")
    case.record["driver"][0]["uuid"] = "0b" * 16  # at the same PCI address
    proof = case.judged(gpus=(asked,))
    assert proof.verdict is Verdict.NOT_PROVED
    assert of(proof, "identity")[0] is Status.FAIL


def test_a_gpu_that_the_driver_has_and_the_framework_lacks(case: Case) -> None:
    case.record["driver"].append({"ordinal": 1, "pci": "0000:00:07.0", "uuid": "1f" * 16, "capacity": {}})
    proof = case.judged(here=True, indices=())
    assert proof.verdict is Verdict.NOT_PROVED
    assert "lists 1 GPU(s), the driver library 2" in of(proof, "visible")[1]


@pytest.mark.parametrize("indices", [(1,), (0, 1)])
def test_one_gpu_is_no_proof_for_another(indices: tuple[int, ...], case: Case) -> None:
    assert case.judged(indices=indices).verdict is Verdict.NOT_PROVED


def test_a_record_of_another_run_is_none(case: Case) -> None:
    line = f"{MARKER} {case.record['nonce']} {json.dumps(case.record)}\n"
    assert isinstance(parse_result(line, case.record["nonce"]), Evidence)
    stolen = line.replace(MARKER + " hardware", MARKER + " mine", 1)  # the contents keep their own number
    for text, nonce in ((line, "mine"), (line * 2, "hardware"), (stolen, "mine"), (line[:-200], "hardware")):
        assert isinstance(parse_result(text, nonce), Problem)


def test_a_control_that_passes_or_says_nothing_proves_nothing(case: Case) -> None:
    proof = case.judged()
    assert with_control(proof, case.judged(), "the image").verdict is Verdict.INVALID
    aborted = case.judged(msgspec.structs.replace(DONE, exit_code=134))
    assert with_control(proof, aborted, "the image").verdict is Verdict.NOT_PROVED


def test_a_control_that_still_saw_the_gpu_controls_nothing(case: Case) -> None:
    proof = case.judged()
    case.implicit["losses"] = [None] * 6
    assert with_control(proof, case.judged(), "the image").verdict is Verdict.NOT_PROVED


def test_a_slice_without_a_uuid_inside_is_nobody(case: Case) -> None:
    asked = msgspec.structs.replace(case.known, uuid=f"MIG-{'0a' * 16}", partition="1g.10gb")
    case.record["driver"][0]["uuid"] = None
    assert of(case.judged(gpus=(asked,)), "identity")[0] is Status.UNKNOWN


def test_a_node_of_a_lost_gpu_is_told_where_all_were_asked_for(case: Case) -> None:
    case.record["environment"]["nodes"].append({"path": "/dev/nvidia1", "error": "Input/output error"})
    assert "/dev/nvidia1 cannot be opened" in of(case.judged(here=True, indices=()), "visible")[1]


def test_a_message_explains_no_training_that_came_to_its_end(case: Case) -> None:
    case.explicit["weights"][0]["device"] = case.cpu
    log = "W autotuner: CUDA_ERROR_OUT_OF_MEMORY, tried again with less"
    assert case.judged(msgspec.structs.replace(DONE, stderr=log)).code == "KGE-508"


def test_an_error_of_fit_is_explained_by_its_message(case: Case) -> None:
    case.implicit.update(error={"type": "InternalError", "text": "libdevice not found at ./libdevice.10.bc"}, losses=[])
    assert case.judged().code == "KGE-526"


def test_kernels_on_another_gpu_are_told(case: Case) -> None:
    case.record["planes"]["/device:GPU:1"] = case.record["planes"].pop("/device:GPU:0")
    assert of(case.judged(), "work") == (Status.WARN, "the profiler saw kernels on GPU:1 and none on GPU:0")
