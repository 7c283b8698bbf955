"""The judge: what it proves, and that nothing else is ever proved."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.engine.protocol import Ran
from provision.model import Check, Gpu, Proof, Status, Vendor, Verdict
from provision.prove import Evidence, Expectation, Problem
from provision.prove.checks import table
from provision.prove.judge import judge, verdict_of

CPU = Expectation(vendor=Vendor.CPU, indices=(0,))
NAMES = [row.name for row in table.rows() if row.function]
REQUIRED, REQUIRED_ON_CPU = table.required(Verdict.PROVED), table.required(Verdict.CPU)


def copy(record: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(record))
    return made


def evidence(record: dict[str, Any]) -> Evidence:
    return msgspec.convert(record, Evidence)


def status(proof: Proof, name: str) -> Status:
    return next(check.status for check in proof.checks if check.name == name)


def test_a_training_on_the_gpu_is_proved(cuda: Expectation, done: Ran, gpu_evidence: Evidence) -> None:
    proof = judge(cuda, done, gpu_evidence)
    assert (proof.verdict, proof.code) == (Verdict.PROVED, "")
    assert [check.name for check in proof.checks] == NAMES
    assert {check.name for check in proof.checks if check.status is not Status.PASS} == {
        *("machine", "outside", "soak", "label")
    }
    assert proof.devices[0].pci == cuda.gpus[0].pci
    assert proof.devices[0].architecture == "sm_90"
    assert proof.training.losses[-1] < 0.23


def test_a_training_on_amd_is_proved(done: Ran, amd_record: dict[str, Any]) -> None:
    gpu = Gpu(vendor="amd", uuid="0x3f1c3f1c3f1c3f1c", architecture="gfx942")
    proof = judge(Expectation(vendor=Vendor.ROCM, indices=(0,), gpus=(gpu,)), done, evidence(amd_record))
    assert proof.verdict is Verdict.PROVED


def test_the_cpu_is_a_success_only_when_asked_for(cuda: Expectation, done: Ran, cpu_evidence: Evidence) -> None:
    assert judge(CPU, done, cpu_evidence).verdict is Verdict.CPU
    assert judge(cuda, done, cpu_evidence).verdict is Verdict.NOT_PROVED


def test_gpu_evidence_is_no_cpu_training(done: Ran, gpu_evidence: Evidence) -> None:
    assert judge(CPU, done, gpu_evidence).verdict is Verdict.NOT_PROVED


def test_a_host_without_gpu_is_the_reason(done: Ran, cpu_evidence: Evidence) -> None:
    reason = "no NVIDIA device on this host (looked at /sys/bus/pci/devices)"
    expectation = Expectation(vendor=Vendor.CUDA, indices=(), host_has_gpu=False, host_reason=reason)
    proof = judge(expectation, done, cpu_evidence)
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-501")
    assert proof.reason == f"{reason}; the model trained on the CPU"


def test_the_required_checks_are_these() -> None:
    on_cpu = {"started", "reported", "placement", "implicit", "training", "curve"}
    assert on_cpu | {"visible", "host", "numerics"} == REQUIRED
    assert on_cpu == REQUIRED_ON_CPU


@given(st.lists(st.tuples(st.sampled_from([*NAMES, "other"]), st.sampled_from(Status)), max_size=12))
def test_the_verdict_follows_from_passes_alone(rows: list[tuple[str, Status]]) -> None:
    found = [Check(name=name, status=state, detail="") for name, state in rows]
    passed = {name for name, state in rows if state is Status.PASS}
    failed = [name for name, state in rows if state is Status.FAIL]
    assert (verdict_of(Vendor.CUDA, found) is Verdict.PROVED) == (passed >= REQUIRED and not failed)
    assert (verdict_of(Vendor.CPU, found) is Verdict.CPU) == (passed >= REQUIRED_ON_CPU and not failed)
    assert verdict_of(Vendor.CPU, found) is not Verdict.PROVED


def leaves(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of every place in `trainings` that the verdict rests on."""
    if isinstance(value, dict):
        # A constant may be made on the host, and integers are bookkeeping: the judge says why.
        free = value.get("op") == "Const" or value.get("floating") is False
        return [] if free else [leaf for key, item in value.items() for leaf in leaves(item, (*path, key))]
    if isinstance(value, list):
        return [leaf for i, item in enumerate(value) for leaf in leaves(item, (*path, i))]
    held = path[-1] in {"device", "memory"} and isinstance(value, str) and len(path) > 2
    return [path] if held else []


def put(
    record: Any,  # noqa: ANN401 - a tree of JSON values
    path: tuple[Any, ...],
    value: object,
) -> None:
    for key in path[:-1]:
        record = record[key]
    record[path[-1]] = value


ELSEWHERE = st.sampled_from(["", "/job:localhost/replica:0/task:0/device:CPU:0", "/device:GPU:1", "GPU", "xGPU:0"])


@given(data=st.data())
def test_one_tensor_elsewhere_is_never_proved(
    data: st.DataObject, cuda: Expectation, done: Ran, gpu_record: dict[str, Any]
) -> None:
    explicit = [path for path in leaves(gpu_record["trainings"][:1]) if path[0] == 0]
    damaged = copy(gpu_record)
    put(damaged["trainings"], data.draw(st.sampled_from(explicit)), data.draw(ELSEWHERE | st.text(max_size=8)))
    proof = judge(cuda, done, evidence(damaged))
    assert proof.verdict is Verdict.NOT_PROVED
    assert status(proof, "placement") is Status.FAIL


ERROR = {"type": "InternalError", "text": "CUDA_ERROR_ILLEGAL_ADDRESS"}
DAMAGE: dict[str, tuple[tuple[Any, ...], Any]] = {
    "no training at all": (("trainings",), []),
    "explicit failed": (("trainings", 0, "error"), ERROR),
    "implicit failed": (("trainings", 2, "error"), ERROR),
    "explicit named implicit": (("trainings", 0, "kind"), "implicit"),
    "another device": (("trainings", 0, "device"), "/GPU:1"),
    "no weights": (("trainings", 0, "weights"), []),
    "no gradients": (("trainings", 0, "gradients"), []),
    "no tensors": (("trainings", 0, "tensors"), []),
    "no trace": (("trainings", 0, "ops"), None),
    "an empty trace": (("trainings", 0, "ops"), []),
    "no losses": (("trainings", 0, "losses"), []),
    "NaN at the end": (("trainings", 0, "losses", -1), None),
    "NaN between": (("trainings", 0, "losses", 2), None),
    "negative loss": (("trainings", 0, "losses", -1), -0.5),
    "loss that stays": (("trainings", 0, "losses"), [2.3, 2.3, 2.3]),
    "loss low from the start": (("trainings", 0, "losses"), [0.01, 0.02]),
    "one loss": (("trainings", 0, "losses"), [0.01]),
    "implicit not learned": (("trainings", 2, "losses"), [2.3, 2.2]),
    "implicit without losses": (("trainings", 2, "losses"), []),
    "implicit without weights": (("trainings", 2, "weights"), []),
    "implicit without output": (("trainings", 2, "tensors"), []),
    "implicit on the CPU": (("trainings", 2, "weights", 0, "device"), "/device:CPU:0"),
    "implicit output on the CPU": (("trainings", 2, "tensors", 0, "device"), "/device:CPU:0"),
    "no GPU listed": (("listing",), []),
    "no node": (("environment", "nodes"), []),
    "node closed": (("environment", "nodes"), [{"path": "/dev/nvidia0", "error": "Operation not permitted"}]),
    "only the control node": (("environment", "nodes"), [{"path": "/dev/nvidiactl", "error": None}]),
    "CPU build": (("build", "is_cuda_build"), "False"),
    "another GPU": (("devices", 1, "text"), "device: 0, pci bus id: 0000:65:00.0"),
    "another UUID": (("driver", 0, "uuid"), "0" * 32),
    "stopped": (("stopped",), True),
    "no TensorFlow": (("import_error",), {"type": "ModuleNotFoundError", "text": "No module named 'tensorflow'"}),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_evidence_is_never_proved(name: str, cuda: Expectation, done: Ran, gpu_record: dict[str, Any]) -> None:
    damaged = copy(gpu_record)
    put(damaged, *DAMAGE[name])
    proof = judge(cuda, done, evidence(damaged))
    assert proof.verdict is Verdict.NOT_PROVED
    assert proof.code.startswith("KGE-50")
    assert proof.reason
    assert proof.fix


@pytest.mark.parametrize("tried", [[{"name": "libcuda.so.1", "error": "not found"}], []])
def test_without_a_driver_library_it_is_not_proved(
    cuda: Expectation, done: Ran, gpu_record: dict[str, Any], tried: list[dict[str, Any]]
) -> None:
    damaged = copy(gpu_record)
    put(damaged, ("mapped",), [])  # nor does the process have one that nobody tried
    put(damaged, ("environment", "libraries"), tried)
    proof = judge(cuda, done, evidence(damaged))
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-507")


@pytest.mark.parametrize(
    ("nodes", "detail"),
    [
        ([{"path": "/dev/nvidia0", "error": None}], "/dev/nvidia0 opens; TensorFlow could not be asked"),
        ([{"path": "/dev/nvidia1", "error": "no right"}], "/dev/nvidia1 cannot be opened: no right"),
        ([{"path": "/dev/kfd", "error": None}], "no NVIDIA device node is inside the container"),
    ],
)
def test_without_the_framework_the_devices_inside_are_told(
    cuda: Expectation, done: Ran, gpu_record: dict[str, Any], nodes: list[dict[str, Any]], detail: str
) -> None:
    damaged = copy(gpu_record)
    put(damaged, *DAMAGE["no TensorFlow"])
    put(damaged, ("environment", "nodes"), nodes)
    (visible,) = [check for check in judge(cuda, done, evidence(damaged)).checks if check.name == "visible"]
    assert visible.status is Status.UNKNOWN
    assert visible.detail.startswith(detail)


def test_the_variable_that_sends_models_to_the_cpu_is_named(
    cuda: Expectation, done: Ran, gpu_record: dict[str, Any]
) -> None:
    damaged = copy(gpu_record)
    put(damaged, *DAMAGE["implicit on the CPU"])
    put(damaged, ("environment", "variables"), {"KERAS_TORCH_DEVICE": "cpu", "JAX_PLATFORMS": "cuda,cpu"})
    proof = judge(cuda, done, evidence(damaged))
    assert proof.seen == "fit without a device used CPU:0, not GPU:0; KERAS_TORCH_DEVICE=cpu is set"
    assert proof.fix.startswith("Unset the variable")


HERE = {
    "no TensorFlow": ("this environment has no TensorFlow", "--python"),
    "CPU build": ("this environment's TensorFlow is not built for NVIDIA GPUs", ""),
    "no node": ("the GPU is not usable here", ""),
}


@pytest.mark.parametrize("name", HERE)
def test_where_there_is_no_image_none_is_named(
    name: str, cuda: Expectation, done: Ran, gpu_record: dict[str, Any]
) -> None:
    damaged, (reason, fix) = copy(gpu_record), HERE[name]
    put(damaged, *DAMAGE[name])
    proof = judge(msgspec.structs.replace(cuda, here=True), done, evidence(damaged))
    assert proof.reason == reason
    assert fix in proof.fix
    assert "container" not in " ".join(check.detail for check in proof.checks)


def test_a_broken_framework_is_not_called_a_missing_one(
    cuda: Expectation, done: Ran, gpu_record: dict[str, Any]
) -> None:
    damaged = copy(gpu_record)
    text = "No module named 'tensorflow.lite.python.metrics'"
    put(damaged, ("import_error",), {"type": "ModuleNotFoundError", "text": text})
    proof = judge(cuda, done, evidence(damaged))
    assert (proof.code, proof.reason) == ("KGE-505", "TensorFlow cannot be imported")
    assert text in proof.seen


def test_a_crash_after_the_report_is_no_missing_report(cuda: Expectation, gpu_evidence: Evidence) -> None:
    proof = judge(cuda, Ran(exit_code=134, stdout="", stderr="", seconds=60.0), gpu_evidence)
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-503")
    assert proof.reason == "the workload did not end well: ended with code 134, aborted"


def test_a_doubled_training_is_not_proved(cuda: Expectation, done: Ran, gpu_record: dict[str, Any]) -> None:
    damaged = copy(gpu_record)
    damaged["trainings"].append(damaged["trainings"][0])
    assert judge(cuda, done, evidence(damaged)).verdict is Verdict.NOT_PROVED


def test_one_of_two_gpus_is_not_enough(cuda: Expectation, done: Ran, gpu_evidence: Evidence) -> None:
    both = msgspec.structs.replace(cuda, indices=(0, 1))
    proof = judge(both, done, gpu_evidence)
    assert proof.verdict is Verdict.NOT_PROVED
    assert "1 GPU(s), 2 asked for" in proof.seen


def test_unknown_identity_does_not_fail(done: Ran, gpu_evidence: Evidence) -> None:
    proof = judge(Expectation(vendor=Vendor.CUDA, indices=(0,)), done, gpu_evidence)
    assert proof.verdict is Verdict.PROVED
    assert status(proof, "identity") is Status.UNKNOWN


def test_another_version_than_the_label_proves_nothing(cuda: Expectation, done: Ran, gpu_evidence: Evidence) -> None:
    labelled = msgspec.structs.replace(cuda, versions={"tensorflow": "2.17.1"})
    proof = judge(labelled, done, gpu_evidence)
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-599")
    assert (status(proof, "build"), status(proof, "label")) == (Status.PASS, Status.FAIL)


@pytest.mark.parametrize("label", ["2.21", "2.21.0", "2.21.0+rocm10.1.0"])
def test_a_label_may_be_shorter_or_name_the_build(
    cuda: Expectation, done: Ran, gpu_evidence: Evidence, label: str
) -> None:
    labelled = msgspec.structs.replace(cuda, versions={"tensorflow": label})
    evidence = msgspec.structs.replace(gpu_evidence, versions={**gpu_evidence.versions, "tensorflow": "2.21.0"})
    assert status(judge(labelled, done, evidence), "label") is Status.PASS


ENDS = {
    "killed": Ran(exit_code=137, stdout="", stderr="", seconds=1.0),
    "crashed": Ran(exit_code=139, stdout="", stderr="", seconds=1.0),
    "time limit": Ran(exit_code=None, stdout="", stderr="", seconds=1.0, timed_out=True),
    "more memory": Ran(exit_code=137, stdout="", stderr="", seconds=1.0, out_of_memory=True),
}


@pytest.mark.parametrize("words", ENDS)
def test_a_bad_end_is_never_proved(words: str, cuda: Expectation, gpu_evidence: Evidence) -> None:
    for found in (gpu_evidence, Problem(what="no result line; no output at all")):
        proof = judge(cuda, ENDS[words], found)
        assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-503")
        assert words in proof.reason


def test_a_refusal_is_never_proved(cuda: Expectation, done: Ran, gpu_evidence: Evidence) -> None:
    proof = judge(cuda, msgspec.structs.replace(done, refused="no such device"), gpu_evidence)
    assert (proof.verdict, proof.code, proof.seen) == (Verdict.NOT_PROVED, "KGE-502", "no such device")


REFUSALS = [
    'exec: "python3": executable file not found in $PATH: unknown',
    'runc create failed: exec: "python": stat /usr/bin/python: no such file or directory',
    "crun: executable file `python3` not found in $PATH: No such file or directory",
]


@pytest.mark.parametrize("words", REFUSALS)
def test_an_image_without_python(words: str, cuda: Expectation, done: Ran) -> None:
    proof = judge(cuda, msgspec.structs.replace(done, refused=words, exit_code=127), Problem(what="nothing"))
    assert proof.code == "KGE-504"
