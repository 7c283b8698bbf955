"""The witnesses beyond placement: numbers, work, speed, libraries, soak and the host's view.

The GPU evidence is an H100's; `conftest` says where it is from.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from provision.engine.protocol import Ran
from provision.model import Check, Gpu, Proof, Status, Vendor, Verdict
from provision.probe.amd_monitor import hwmon_texts, hwmon_thermals, kfd_memory
from provision.probe.monitor import HostView
from provision.probe.nvidia_monitor import smi_memory, smi_thermals
from provision.prove import Evidence, Expectation
from provision.prove.checks.load import MODEL_BYTES
from provision.prove.checks.peak import peak
from provision.prove.checks.placement import target
from provision.prove.host_monitor import MONITORS, HostMonitor, processes
from provision.prove.judge import judge

ERROR = {"type": "InternalError", "text": "cuDNN: CUDNN_STATUS_NOT_INITIALIZED"}
Judged = Callable[..., Proof]


def of(proof: Proof, name: str) -> Check:
    return next(check for check in proof.checks if check.name == name)


@pytest.fixture
def judged(cuda: Expectation, done: Ran, gpu_record: dict[str, Any]) -> Judged:
    """Judge the H100's record with some of its values replaced."""

    def run(
        *changes: tuple[tuple[Any, ...], Any], log: str = "", outside: HostView | None = None, **more: object
    ) -> Proof:
        record = json.loads(json.dumps(gpu_record))
        for path, value in changes:
            at = record
            for key in path[:-1]:
                at = at[key]
            at[path[-1]] = value
        ran = msgspec.structs.replace(done, stderr=log)
        expectation = msgspec.structs.replace(cuda, **more)
        return judge(expectation, ran, msgspec.convert(record, Evidence), outside=outside)

    return run


NUMBERS: dict[str, tuple[tuple[Any, ...], Any]] = {
    "a curve that departs": (("trainings", 0, "losses", 3), 0.2),
    "a shorter curve": (("trainings", 1, "losses"), [2.0, 0.1]),
    "a product elsewhere": (("products", 0, "place"), "/device:CPU:0"),
    "a wrong product": (("products", 0, "difference"), 0.01),
    "a product with NaN": (("products", 0, "difference"), None),
    "a wrong value": (("products", 0, "values", 5), 0.7),
    "fewer values": (("products", 0, "values"), []),
    "a product that failed": (("products", 0, "error"), ERROR),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_other_numbers_than_the_cpus_are_not_proved(name: str, judged: Judged) -> None:
    proof = judged(NUMBERS[name])
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-580")
    assert of(proof, "numerics").status is Status.FAIL


@pytest.mark.parametrize("path", [("trainings", 1, "kind"), ("products", 1, "device")])
def test_without_the_cpu_to_compare_with_nothing_is_proved(path: tuple[Any, ...], judged: Judged) -> None:
    proof = judged((path, "other"))
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-580")
    assert of(proof, "numerics").status is Status.UNKNOWN


def test_work_is_memory_or_kernels(judged: Judged) -> None:
    memory = ("trainings", 0, "memory")
    assert of(judged(), "work").status is Status.PASS
    assert of(judged((("planes",), None)), "work").status is Status.PASS
    assert of(judged((memory, None)), "work").status is Status.PASS
    assert of(judged((memory, None), (("planes",), {"/host:CPU": 9})), "work").status is Status.UNKNOWN
    little = judged((memory, {"current": 0, "peak": MODEL_BYTES - 1}))
    assert (little.verdict, little.code) == (Verdict.NOT_PROVED, "KGE-581")


def test_slowness_is_a_warning(judged: Judged) -> None:
    proof = judged((("speeds", 0, "flops"), 1e6))
    assert proof.verdict is Verdict.PROVED
    assert of(proof, "speed").status is Status.WARN
    assert of(judged((("speeds",), [])), "speed").status is Status.SKIP
    assert of(judged((("speeds", 1, "flops"), None)), "speed").status is Status.UNKNOWN


def test_far_below_the_peak_is_a_warning_with_its_causes(judged: Judged) -> None:
    lanes = {"sm_90": 128}
    rate = ("speeds", 0, "flops")
    well = of(judged((rate, 5e13), lanes=lanes), "speed")
    assert (well.status, "75 % of its peak of 66.9" in well.detail) == (Status.PASS, True)
    far = judged((rate, 5e12), lanes=lanes)
    assert (far.verdict, of(far, "speed").status) == (Verdict.PROVED, Status.WARN)
    assert of(far, "speed").detail.startswith("GPU:0 is far below its peak: a power cap,")
    above = of(judged((rate, 4e14), lanes=lanes), "speed")  # an H100 with TensorFloat-32, as it was seen
    assert (above.status, above.detail.startswith("GPU:0 is faster than it can be: ")) == (Status.WARN, True)
    assert of(judged((rate, 7e13), lanes=lanes), "speed").status is Status.PASS  # clocks above the one that was told
    capacity = ("driver", 0, "capacity")
    for unknown in (judged((rate, 5e12)), judged((rate, 5e12), (capacity, {}), lanes=lanes)):
        assert (of(unknown, "speed").status, "peak unknown" in of(unknown, "speed").detail) == (Status.PASS, True)


def test_amd_s_peak_is_from_the_host(amd_record: dict[str, Any], cuda: Expectation) -> None:
    # An MI210: KFD's simd_count 416 and simd_per_cu 4; 1700 MHz. AMD publishes 22.6 TFLOP/s.
    gpu = Gpu(vendor="amd", pci=cuda.gpus[0].pci, architecture="gfx90a", compute_units=104, clock_mhz=1700)
    expectation = msgspec.structs.replace(cuda, vendor=Vendor.ROCM, gpus=(gpu,), lanes={"gfx90a": 64})
    evidence = msgspec.convert(amd_record, Evidence)
    assert peak(expectation, evidence, "GPU:0") == pytest.approx(22.6e12, rel=0.01)
    assert peak(msgspec.structs.replace(expectation, gpus=()), evidence, "GPU:0") is None
    assert peak(expectation, evidence, "GPU:1") is None


def row(record: dict[str, Any], name: str) -> int:
    return next(i for i, item in enumerate(record["libraries"]) if item["name"] == name)


def test_every_library_row_works(judged: Judged) -> None:
    proof = judged()
    assert {item.state for item in proof.libraries if item.name != "collective"} == {"works"}, "one GPU sums with none"
    assert {item.name for item in proof.libraries} >= {"matmul", "conv2d", "lstm", "fft", "solver", "sparse", "xla"}


def test_a_missing_library_is_named_from_the_log(judged: Judged, gpu_record: dict[str, Any]) -> None:
    change = (("libraries", row(gpu_record, "conv2d"), "error"), ERROR)
    log = "W dso_loader.cc:64] Could not load dynamic library 'libcudnn.so.9'; dlerror: not found"
    proof = judged(change, log=log)
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-582")
    assert "conv2d (cuDNN) missing: libcudnn.so.9 cannot be loaded" in of(proof, "libraries").detail


def test_a_wrong_library_fails_and_an_optional_one_warns(judged: Judged, gpu_record: dict[str, Any]) -> None:
    fft = row(gpu_record, "fft")
    wrong = judged((("libraries", fft, "difference"), 0.5))
    assert (wrong.verdict, wrong.code, wrong.libraries[fft].state) == (Verdict.NOT_PROVED, "KGE-582", "wrong")
    elsewhere = judged((("libraries", fft, "place"), "/device:CPU:0"))
    assert (elsewhere.verdict, elsewhere.libraries[fft].state) == (Verdict.NOT_PROVED, "wrong")
    missing = judged((("libraries", fft, "error"), ERROR))
    assert (missing.verdict, of(missing, "libraries").status) == (Verdict.PROVED, Status.WARN)
    slow = judged((("libraries", fft, "seconds"), 9.0))
    assert (slow.verdict, slow.libraries[fft].state) == (Verdict.PROVED, "slow")


@pytest.mark.parametrize(("name", "state"), [("xla", "not asked"), ("conv2d", "wrong")])
def test_a_library_that_cannot_be_asked(judged: Judged, gpu_record: dict[str, Any], name: str, state: str) -> None:
    """It is no fault; but what any model needs cannot be left out with a word."""
    at = row(gpu_record, name)
    blank = {"place": "", "difference": None, "seconds": None, "not_asked": "a reason"}
    proof = judged(*((("libraries", at, key), value) for key, value in blank.items()))
    assert proof.libraries[at].state == state
    assert (proof.verdict is Verdict.PROVED) == (state == "not asked")
    if state == "not asked":
        detail = of(proof, "libraries")
        assert (detail.status, detail.detail) == (Status.PASS, f"all {len(proof.libraries) - 2} rows work")


def test_quick_needs_no_libraries(judged: Judged) -> None:
    proof = judged((("libraries",), []), (("speeds",), []), (("planes",), None), level="quick")
    assert (proof.verdict, proof.level) == (Verdict.PROVED, "quick")
    assert of(proof, "libraries").status is Status.SKIP


SOAK = {"device": "/GPU:0", "rounds": 90, "wrong": 0, "rates": [5e12, 4e12, 5e12], "seconds": 60.0, "error": None}


def test_a_soak(judged: Judged) -> None:
    assert of(judged((("soaks",), [SOAK]), level="soak"), "soak").status is Status.PASS
    faded = judged((("soaks",), [SOAK | {"rates": [5e12, 2e12, 2e12]}]), level="soak")
    assert (faded.verdict, of(faded, "soak").status) == (Verdict.PROVED, Status.WARN)
    for bad in ({"wrong": 1}, {"error": ERROR}, {"rounds": 0, "rates": []}):
        proof = judged((("soaks",), [SOAK | bad]), level="soak")
        assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-583")
    assert judged((("soaks",), []), level="soak").verdict is Verdict.NOT_PROVED


def test_heat_is_a_warning(judged: Judged) -> None:
    def outside(**seen: Any) -> HostView:  # noqa: ANN401 - fields of several types
        return HostView(source="nvidia-smi", **seen)

    cool = judged((("soaks",), [SOAK]), level="soak", outside=outside(celsius=61))
    assert (of(cool, "soak").status, "hottest 61 C" in of(cool, "soak").detail) == (Status.PASS, True)
    hot = judged((("soaks",), [SOAK]), level="soak", outside=outside(celsius=93, slowed=("hardware slowdown",)))
    assert (hot.verdict, of(hot, "soak").status) == (Verdict.PROVED, Status.WARN)
    assert of(hot, "soak").detail.startswith("hardware slowdown: ")


def test_nvidia_smi_s_climate() -> None:
    # Made up after nvidia-smi's documented format; a busy GPU at its power cap (0x4) is no fault.
    assert smi_thermals("65, 0x0000000000000004\n71, 0x0000000000000060\n[N/A], [N/A]\n") == HostView(
        celsius=71, slowed=("slowed by its driver because of heat", "slowed by its hardware because of heat")
    )
    assert smi_thermals("") == HostView()


def test_amdgpu_s_climate(tmp_path: Path) -> None:
    for card, (driver, text) in {"card0": ("amdgpu", "64000\n"), "card1": ("nouveau", "99000\n")}.items():
        folder = tmp_path / card / "device" / "hwmon" / "hwmon3"
        folder.mkdir(parents=True)
        (folder / "name").write_text(driver)
        (folder / "temp1_input").write_text(text)
    assert hwmon_thermals(hwmon_texts(tmp_path)) == HostView(celsius=64)
    assert MONITORS[Vendor.CUDA].thermals(None) == HostView()


def test_what_the_host_sees_is_no_condition(judged: Judged) -> None:
    seen = judged(outside=HostView(pid=7, held_bytes=5 << 20, source="nvidia-smi"))
    assert of(seen, "outside").status is Status.PASS
    blind = judged(outside=HostView(why="there is no nvidia-smi on this host to ask"))
    assert (blind.verdict, of(blind, "outside").status) == (Verdict.PROVED, Status.UNKNOWN)


def test_nvidia_smi_s_table() -> None:
    assert smi_memory("12, 300\n12, 20\n13, [N/A]\nNo running processes found\n") == {12: 320 << 20}


def test_amdgpu_s_files(tmp_path: Path) -> None:
    (tmp_path / "12").mkdir()
    (tmp_path / "12" / "vram_4660").write_text("4096\n")
    (tmp_path / "12" / "vram_4661").write_text("1\n")
    assert kfd_memory(12, tmp_path) == 4097
    assert kfd_memory(13, tmp_path) is None


def test_the_process_is_found_by_the_run_s_number(tmp_path: Path) -> None:
    for pid, line in {"12": b"python3\0-c\0x\0{nonce}", "13": b"sh"}.items():
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "cmdline").write_bytes(line)
    assert processes("{nonce}", tmp_path) == (12,)
    assert os.getpid() not in processes("a number that no process has")


def test_a_watch_without_tools_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provision.prove.host_monitor.command.find", lambda *_: None)
    with HostMonitor(Vendor.CUDA, "a number that no process has") as watch:
        pass
    assert "no nvidia-smi" in watch.answer().why
    with HostMonitor(Vendor.ROCM, "a number that no process has") as watch:
        pass
    assert "not seen from here" in watch.answer().why


PLACES = {
    "/job:localhost/replica:0/task:0/device:GPU:1": "GPU:1",
    "cuda:1": "GPU:1",
    "rocm:0": "GPU:0",
    "gpu:2": "GPU:2",
    "cpu": "CPU:0",
    "cpu:0": "CPU:0",
    "TFRT_CPU_0": "CPU:0",
    "cuda": "",
    "": "",
    "cuda:0 cuda:1": "",
    "xcuda:0": "",
    "meta": "",
}


@pytest.mark.parametrize("text", PLACES)
def test_each_framework_s_spelling_of_a_device(text: str) -> None:
    assert target(text) == PLACES[text]


def test_mig_slices_of_one_gpu_are_told_apart(done: Ran, cuda: Expectation, gpu_record: dict[str, Any]) -> None:
    slices = [{"ordinal": i, "pci": cuda.gpus[0].pci, "uuid": f"{i}a" * 16} for i in range(2)]
    evidence = msgspec.convert(gpu_record | {"driver": slices}, Evidence)
    gpu = msgspec.structs.replace(cuda.gpus[0], uuid=f"MIG-{'0a' * 16}", partition="1g.10gb")
    assert judge(msgspec.structs.replace(cuda, gpus=(gpu,)), done, evidence).verdict is Verdict.PROVED
    other = msgspec.structs.replace(gpu, uuid=f"MIG-{'1a' * 16}")
    assert judge(msgspec.structs.replace(cuda, gpus=(other,)), done, evidence).code == "KGE-508"


def test_jax_tells_no_address_and_the_driver_does(done: Ran, cuda: Expectation, gpu_record: dict[str, Any]) -> None:
    text = json.dumps(gpu_record | {"devices": []}).replace("/job:localhost/replica:0/task:0/device:GPU:0", "cuda:0")
    record = json.loads(text.replace("MatMul", "dot_general")) | {"versions": {"jax": "0.8.0"}}
    record["build"] = {"is_cuda_build": "True"}
    expectation = msgspec.structs.replace(cuda, backend="jax")
    proof = judge(expectation, done, msgspec.convert(record, Evidence))
    assert (proof.verdict, proof.backend, proof.devices[0].pci) == (Verdict.PROVED, "jax", cuda.gpus[0].pci)
    assert "JAX 0.8.0" in of(proof, "build").detail


def test_fewer_gpus_than_the_driver_shows(done: Ran, cuda: Expectation, gpu_record: dict[str, Any]) -> None:
    two = [{"ordinal": i, "pci": f"0000:{i + 17}:00.0", "uuid": None} for i in range(2)]
    here = msgspec.structs.replace(cuda, indices=())
    proof = judge(here, done, msgspec.convert(gpu_record | {"driver": two}, Evidence))
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-507")
    assert "lists 1 GPU(s), the driver library 2" in proof.seen


def test_the_runtime_library_of_cuda_is_not_the_drivers(judged: Judged) -> None:
    absent = [{"name": "libcuda.so.1", "error": "libcuda.so.1: cannot open shared object file"}]
    here = (("environment", "libraries"), absent)
    assert of(judged(here, (("mapped",), ["/opt/venv/libcudart.so.12"])), "visible").detail == absent[0]["error"]
    assert of(judged(here, (("mapped",), ["/usr/lib/libcuda.so.580.95.05"])), "visible").status is Status.PASS
