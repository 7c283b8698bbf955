"""Verifying with an engine that is played: what is run, with which limits, and what is made of the answer."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from provision.engine.protocol import Access, Engine, Image, OnOutput, Ran, Run
from provision.model import (
    Base,
    Driver,
    Finding,
    Framework,
    Gpu,
    Host,
    Proof,
    Route,
    Severity,
    Stack,
    Status,
    Vendor,
    Verdict,
)
from provision.prove import VerifyRequest, image_vendor, verify
from provision.prove.control import WITHHELD
from provision.prove.evidence import MARKER
from provision.prove.expectation import host_state, select
from provision.prove.report.summary import summary
from provision.prove.runner import _chosen

NO_PYTHON3 = 'exec: "python3": executable file not found in $PATH: unknown'
ENV = {"NVIDIA_VISIBLE_DEVICES": Vendor.CUDA, "ROCM_PATH": Vendor.ROCM, "PATH": Vendor.CPU}


class Played:
    """An engine with one image that answers as told and remembers what it was asked to run."""

    def __init__(self, answer: Callable[[Run], Ran], image: Image) -> None:
        self.answer = answer
        self.found = image
        self.runs: list[Run] = []

    def image(self, reference: str) -> Image:  # noqa: ARG002 - the protocol's signature
        return self.found

    def run(self, run: Run, _: OnOutput | None = None) -> Ran:
        self.runs.append(run)
        return self.answer(run)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        pytest.fail(f"verify must not use the engine's {name}")


IMAGE = Image(image_id="sha256:1", architecture="amd64", size_bytes=1)


def prove(
    engine: Played, host: Host | None = None, access: Access | None = None, request: VerifyRequest | None = None
) -> Proof:
    played: Engine = engine
    ticks = iter([10.0, 22.5])
    return verify(
        played,
        "some:image",
        engine.found,
        request or VerifyRequest(vendor=Vendor.CPU),
        host or Host(),
        access or Access(),
        (),
        new_nonce=lambda: "n1",
        clock=lambda: next(ticks),
    )


def answering(record: dict[str, Any]) -> Callable[[Run], Ran]:
    def answer(run: Run) -> Ran:
        made = record | {"nonce": "n1", "spec": json.loads(run.command[3])}  # as the workload repeats it
        return Ran(exit_code=0, stdout=f"{MARKER} n1 {json.dumps(made)}\n", stderr="one\n\ntwo\n", seconds=60.0)

    return answer


def by_access(with_gpu: dict[str, Any], without: dict[str, Any]) -> Callable[[Run], Ran]:
    """Answer as an image does that sees a GPU only when it is given one."""
    return lambda run: answering(with_gpu if run.access.method != "none" else without)(run)


CUDA_HOST = Host(
    gpus=(Gpu(vendor="nvidia", pci="0000:00:06.0"),),  # the H100's of the recorded evidence
    drivers=(Driver(vendor="nvidia", version="580.65.06"),),
)
CUDA_ACCESS = Access(method="cdi", cdi=("nvidia.com/gpu=all",))
CUDA_REQUEST = VerifyRequest(vendor=Vendor.CUDA)


def test_the_control_runs_without_the_gpu(gpu_record: dict[str, Any], cpu_record: dict[str, Any]) -> None:
    engine = Played(by_access(gpu_record, cpu_record), IMAGE)
    proof = prove(engine, CUDA_HOST, CUDA_ACCESS, CUDA_REQUEST)
    assert (proof.verdict, proof.checks[-1].status) == (Verdict.PROVED, Status.PASS)
    assert engine.runs[1].access == Access()
    assert engine.runs[1].env.items() >= WITHHELD.items()
    assert json.loads(engine.runs[1].command[3])["parts"] == ["reference", "product"]


def test_a_control_that_passes_makes_the_proof_invalid(gpu_record: dict[str, Any]) -> None:
    proof = prove(Played(answering(gpu_record), IMAGE), CUDA_HOST, CUDA_ACCESS, CUDA_REQUEST)
    assert (proof.verdict, proof.code, proof.checks[-1].status) == (Verdict.INVALID, "KGE-584", Status.FAIL)
    assert summary(proof)[0].startswith("INVALID  KGE-584")


def test_a_control_that_does_not_report_proves_nothing(gpu_record: dict[str, Any]) -> None:
    def answer(run: Run) -> Ran:
        crash = Ran(exit_code=139, stdout="", stderr="", seconds=1.0)
        return answering(gpu_record)(run) if run.access.method == "cdi" else crash

    proof = prove(Played(answer, IMAGE), CUDA_HOST, CUDA_ACCESS, CUDA_REQUEST)
    assert (proof.verdict, proof.code, proof.checks[-1].status) == (Verdict.NOT_PROVED, "KGE-585", Status.UNKNOWN)
    assert "segmentation fault" in proof.reason


def test_a_known_control_is_not_tried_again(gpu_record: dict[str, Any]) -> None:
    engine = Played(answering(gpu_record), IMAGE)
    request = msgspec.structs.replace(CUDA_REQUEST, known_control="2026-11-22", level="quick")
    proof = prove(engine, CUDA_HOST, CUDA_ACCESS, request)
    assert (proof.verdict, len(engine.runs)) == (Verdict.PROVED, 1)
    assert "2026-11-22" in proof.checks[-1].detail


def test_a_cpu_image(cpu_record: dict[str, Any]) -> None:
    engine = Played(answering(cpu_record), IMAGE)
    proof = prove(engine, request=VerifyRequest(vendor=Vendor.CPU, seconds=90.0, memory_bytes=1 << 30))
    assert (proof.verdict, proof.image, proof.image_id) == (Verdict.CPU, "some:image", "sha256:1")
    assert (proof.seconds, proof.log) == (12.5, ("one", "two"))
    [run] = engine.runs
    assert run.command[:2] == ("python3", "-c")
    assert json.loads(run.command[3])["device"] == "CPU"
    assert (run.seconds, run.memory_bytes, run.network) == (90.0, 1 << 30, False)
    assert run.env["HOME"] == "/tmp"


def test_a_gpu_image_gets_its_access(gpu_record: dict[str, Any], cpu_record: dict[str, Any]) -> None:
    access = Access(method="cdi", cdi=("nvidia.com/gpu=all",))
    engine = Played(by_access(gpu_record, cpu_record), IMAGE)
    proof = prove(engine, CUDA_HOST, access, VerifyRequest(vendor=Vendor.CUDA, jit_compile=False))
    assert proof.verdict is Verdict.PROVED
    assert proof.checks[-1].name == "control"
    assert proof.requested == "cuda GPU 0"
    assert engine.runs[0].access == access
    assert json.loads(engine.runs[0].command[3]) | {"nonce": ""} == {
        "nonce": "",
        "vendor": "cuda",
        "device": "GPU",
        "indices": [0],
        "jit_compile": False,
        "seed": 20,
        "epochs": 6,
        "backend": "tensorflow",
        "parts": ["reference", "product", "profile", "speed", "libraries"],
        "minutes": 0,
        "limit": 660.0,
    }
    assert summary(proof)[0].startswith("PROVED  1 of 1 GPU (H100 80GB), ")
    assert summary(proof)[1] == "      because   the model trained and learned on cuda GPU 0"


def test_the_backend_is_that_of_the_stack(cpu_record: dict[str, Any]) -> None:
    stack = Stack(
        vendor=Vendor.CPU,
        route=Route.WHEELS,
        framework=Framework(name="torch", version="2.9"),
        backend="torch",
        runtime=Framework(name="cpu", version=""),
        python="3.11",
        base=Base(image="debian"),
    )
    labelled = msgspec.structs.replace(IMAGE, labels={"io.kgpu-env.stack": msgspec.json.encode(stack).decode()})
    for request, name in ((None, "torch"), (VerifyRequest(vendor=Vendor.CPU, backend="jax"), "jax")):
        engine = Played(answering(cpu_record), labelled)
        assert prove(engine, request=request).backend == name
        assert json.loads(engine.runs[0].command[3])["backend"] == name


def test_a_host_without_gpu_still_runs(cpu_record: dict[str, Any]) -> None:
    host = Host(looked_at=("/sys/bus/pci/devices", "/dev/dxg"))
    engine = Played(answering(cpu_record), IMAGE)
    proof = prove(engine, host, request=VerifyRequest(vendor=Vendor.CUDA))
    assert proof.code == "KGE-501"
    assert len(engine.runs) == 1
    lines = summary(proof)
    assert lines[0] == (
        "NOT PROVED  KGE-501: No NVIDIA device on this host (looked at /sys/bus/pci/devices, /dev/dxg); "
        "the model trained on the CPU."
    )
    assert [line.split()[0] for line in lines[1:]] == ["text", "fix", "check"]


def test_python_where_there_is_no_python3(cpu_record: dict[str, Any]) -> None:
    refusal = Ran(exit_code=127, stdout="", stderr="", seconds=0.1, refused=NO_PYTHON3)
    reply = answering(cpu_record)
    engine = Played(lambda run: refusal if run.command[0] == "python3" else reply(run), IMAGE)
    assert prove(engine).verdict is Verdict.CPU
    assert [run.command[0] for run in engine.runs] == ["python3", "python"]


def test_neither_python() -> None:
    def refuse(run: Run) -> Ran:
        return Ran(
            exit_code=127, stdout="", stderr="", seconds=0.1, refused=NO_PYTHON3.replace("python3", run.command[0])
        )

    proof = prove(Played(refuse, IMAGE))
    assert (proof.verdict, proof.code, proof.reason) == (Verdict.NOT_PROVED, "KGE-504", "the image has no Python")


def test_another_refusal_is_not_tried_twice() -> None:
    engine = Played(lambda _: Ran(exit_code=None, stdout="", stderr="", seconds=0.0, refused="no such device"), IMAGE)
    assert prove(engine).code == "KGE-502"
    assert len(engine.runs) == 1


@pytest.mark.parametrize("name", ENV)
def test_the_vendor_of_an_unlabelled_image(name: str) -> None:
    assert image_vendor(msgspec.structs.replace(IMAGE, env=(f"{name}=x",))) is ENV[name]


def test_an_odd_label_is_no_stack() -> None:
    odd = msgspec.structs.replace(IMAGE, labels={"io.kgpu-env.stack": '{"vendor": "gpu"}'})
    assert image_vendor(odd) is Vendor.CPU


def test_a_driver_that_is_not_loaded() -> None:
    finding = Finding(code="KGE-101", severity=Severity.ERROR, text="nouveau holds the GPU.")
    host = Host(gpus=(Gpu(vendor="nvidia"),), findings=(finding,))
    usable, reason = host_state(host, Vendor.CUDA)
    assert not usable
    assert reason == "the NVIDIA driver is not loaded on this host (nouveau holds the GPU)"


def test_the_gpus_asked_for_count_from_0_inside() -> None:
    gpus = tuple(Gpu(vendor="nvidia", uuid=f"GPU-{i}") for i in range(4))
    host = Host(gpus=gpus)
    assert select(host, Vendor.CUDA, "all") == ((0, 1, 2, 3), gpus)
    assert select(host, Vendor.CUDA, "3, gpu-1,3") == ((0, 1), (gpus[3], gpus[1]))
    assert select(Host(), Vendor.CUDA, "all") == ((), ())
    assert select(host, Vendor.CPU, "all") == ((0,), ())


def test_a_gpu_that_nothing_drives_is_not_expected() -> None:
    held = Gpu(vendor="nvidia", pci="0000:01:00.0", usable=False, unusable="it is held by vfio-pci (KGE-102)")
    free = Gpu(vendor="nvidia", pci="0000:02:00.0")
    driver = Driver(vendor="nvidia", version="580.95.05")
    both = Host(gpus=(held, free), drivers=(driver,))
    assert select(both, Vendor.CUDA, "all") == ((0,), (free,))
    assert host_state(both, Vendor.CUDA) == (True, "")
    usable, reason = host_state(Host(gpus=(held,), drivers=(driver,)), Vendor.CUDA)
    assert not usable
    assert reason == "no NVIDIA GPU of this host is usable (0000:01:00.0: it is held by vfio-pci (KGE-102))"


CARD = Gpu(vendor="amd", pci="0000:03:00.0", uuid="GPU-1", kfd_node=2)
INTEGRATED = Gpu(vendor="amd", pci="0000:15:00.0", kfd_node=1, integrated=True)
HELD = Gpu(vendor="amd", pci="0000:0d:00.0", usable=False, unusable="it is held by vfio-pci (KGE-103)")


@pytest.mark.parametrize(
    ("gpus", "words", "shown"),
    [
        ((CARD,), "all", None),  # all of them: no variable
        ((CARD, INTEGRATED), "all", "GPU-1"),  # not the processor's own beside a card
        ((CARD, HELD), "all", None),
        ((HELD, INTEGRATED, CARD), "1", "0"),  # the first of KFD's nodes, whatever its place on the bus
        ((CARD, INTEGRATED), "0,0000:03:00.0", "GPU-1"),  # named twice
        ((), "3, 1,3", "3,1"),  # nothing is known of them
    ],
)
def test_a_process_is_shown_the_gpus_as_their_maker_names_them(
    gpus: tuple[Gpu, ...], words: str, shown: str | None
) -> None:
    found = _chosen(VerifyRequest(vendor=Vendor.ROCM, gpus=words), Host(gpus=gpus))
    assert found.get("ROCR_VISIBLE_DEVICES") == shown
