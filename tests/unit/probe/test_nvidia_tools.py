"""What NVML and nvidia-smi may add to a host, and what they may not. The answers are made up."""

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import NoReturn, cast

import msgspec
import pytest

from provision.model import DeviceNode, Driver, Finding, Gpu, Host, Severity
from provision.probe import nvidia_findings, nvml
from provision.probe.nvidia_parsers import Health, ReportedGpu, Slice, parse_smi_health
from provision.probe.nvidia_tools import merge_tool
from provision.probe.smi import ToolAnswer

PCI = "0000:17:00.0"
CAP = DeviceNode(path="/dev/nvidia-caps/nvidia-cap84")
WHOLE = DeviceNode(path="/dev/nvidia0")
GPU = Gpu(vendor="nvidia", uuid="GPU-aa", pci=PCI, architecture="sm_90", kernel_driver="nvidia", nodes=(WHOLE,))
AMD = Gpu(vendor="amd", pci="0000:03:00.0", architecture="gfx1100")
HOST = Host(gpus=(GPU, AMD), drivers=(Driver(vendor="nvidia", version="580.95.05"), Driver(vendor="amd")))
REPORTED = ReportedGpu(uuid="GPU-aa", name="H100", pci=PCI, driver="580.95.05", memory_bytes=80, capability="9.0")


def seen(*gpus: ReportedGpu, cuda: str | None = None, failure: str = "", mismatch: bool = False) -> ToolAnswer:
    return ToolAnswer(tool="nvidia-smi", gpus=gpus, cuda=cuda, failure=failure, mismatch=mismatch)


def codes(host: Host) -> list[str]:
    return [finding.code for finding in host.findings]


def test_a_tool_adds_name_memory_and_cuda() -> None:
    host = merge_tool(HOST, seen(REPORTED, cuda="13.0"))
    assert (host.gpus[0].name, host.gpus[0].memory_bytes) == ("H100", 80)
    assert [driver.cuda for driver in host.drivers] == ["13.0", None]
    assert host.gpus[1] is AMD
    assert not host.findings


def test_a_gpu_that_the_files_do_not_show_is_not_created() -> None:
    host = merge_tool(Host(), seen(REPORTED))
    assert host.gpus == ()
    assert codes(host) == ["KGE-114"]
    assert PCI in host.findings[0].text


def test_a_gpu_that_the_tool_lists_is_driven_whatever_the_tables_say() -> None:
    told = "it is Blackwell (sm_120), which the proprietary kernel module does not drive (KGE-111)"
    refused = msgspec.structs.replace(GPU, usable=False, unusable=told)
    finding = Finding(code="KGE-111", severity=Severity.ERROR, text=told)
    host = merge_tool(msgspec.structs.replace(HOST, gpus=(refused,), findings=(finding,)), seen(REPORTED))
    assert (host.gpus[0].usable, host.gpus[0].unusable, host.findings) == (True, "", ())


def test_what_holds_for_another_gpu_is_still_told() -> None:
    told = "it is Pascal (sm_61), which the open kernel module does not drive (KGE-111)"
    refused = msgspec.structs.replace(GPU, usable=False, unusable=told)
    other = msgspec.structs.replace(refused, pci="0000:65:00.0", uuid=None, kernel_driver=None)
    finding = Finding(code="KGE-111", severity=Severity.ERROR, text=told)
    host = merge_tool(msgspec.structs.replace(HOST, gpus=(refused, other), findings=(finding,)), seen(REPORTED))
    assert [gpu.usable for gpu in host.gpus] == [True, False]
    assert codes(host) == ["KGE-111"]


def test_a_tool_that_misses_a_gpu() -> None:
    host = merge_tool(HOST, seen())
    assert (codes(host), host.gpus) == (["KGE-114"], HOST.gpus)


def test_another_uuid_at_the_same_address_is_not_used() -> None:
    host = merge_tool(HOST, seen(replace(REPORTED, uuid="GPU-bb", capability="8.0")))
    assert (codes(host), host.gpus) == (["KGE-114"], HOST.gpus)


def test_a_driver_version_that_differs() -> None:
    host = merge_tool(HOST, seen(replace(REPORTED, driver="570.1.1")))
    assert codes(host) == ["KGE-114"]
    assert host.drivers[0].version == "580.95.05"


def test_the_measured_architecture_is_used_and_the_difference_told() -> None:
    host = merge_tool(HOST, seen(replace(REPORTED, capability="10.3")))
    assert (codes(host), host.gpus[0].architecture) == (["KGE-114"], "sm_103")


def test_mig_devices_take_the_place_of_the_instances() -> None:
    parts = tuple(
        Gpu(vendor="nvidia", pci=PCI, partition=name, kernel_driver="nvidia", nodes=(WHOLE, CAP)[:count])
        for name, count in (("gi9/ci0", 2), ("gi10/ci0", 1))
    )
    slices = (
        Slice(profile="1g.10gb", uuid="MIG-a", memory_bytes=10, instance=(9, 0)),
        Slice(profile="2g.20gb", uuid="MIG-b"),
    )
    host = merge_tool(msgspec.structs.replace(HOST, gpus=parts), seen(replace(REPORTED, slices=slices)))
    assert [(gpu.partition, gpu.uuid, gpu.memory_bytes) for gpu in host.gpus] == [
        ("1g.10gb", "MIG-a", 10),
        ("2g.20gb", "MIG-b", None),
    ]
    assert [gpu.nodes for gpu in host.gpus] == [(WHOLE, CAP), (WHOLE,)]


def test_wsl_takes_the_tools_list() -> None:
    host = Host(gpus=(Gpu(vendor="nvidia"),), drivers=(Driver(vendor="nvidia", flavour="wsl"),), wsl=True)
    got = merge_tool(host, seen(REPORTED, replace(REPORTED, uuid="GPU-bb", pci="0000:18:00.0")))
    assert [gpu.uuid for gpu in got.gpus] == ["GPU-aa", "GPU-bb"]
    assert got.drivers[0].version == "580.95.05"
    assert not got.findings


def test_wsl_without_nvidias_library_gets_no_gpu() -> None:
    assert merge_tool(Host(wsl=True), seen(REPORTED)).gpus == ()


def test_a_failure_is_told_only_where_an_answer_was_due() -> None:
    failed = seen(failure="no answer within 2 s")
    assert codes(merge_tool(HOST, failed)) == ["KGE-105"]
    assert codes(merge_tool(Host(), failed)) == []


def test_a_mismatch_is_told_once() -> None:
    failed = seen(failure="Driver/library version mismatch", mismatch=True)
    assert codes(merge_tool(HOST, failed)) == ["KGE-106"]
    known = msgspec.structs.replace(HOST, findings=(nvidia_findings.library_mismatch("580.95.05", ("580.1.1",)),))
    assert codes(merge_tool(known, failed)) == ["KGE-106"]


class NvmlError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__(f"error {value}")
        self.value = value


def binding(**functions: object) -> ModuleType:
    """Return a stand-in for pynvml: what is not given is not supported (error 3)."""

    class Binding(SimpleNamespace):
        NVMLError = NvmlError

        def __getattr__(self, name: str) -> Callable[..., NoReturn]:
            return fails(3)

    return cast("ModuleType", Binding(**{"nvmlInit": lambda: None, **functions}))


def fails(value: int) -> Callable[..., NoReturn]:
    def fail(*_: object) -> NoReturn:
        raise NvmlError(value)

    return fail


def test_nvml_reads_a_gpu_with_its_slices() -> None:
    names = {"gpu": b"NVIDIA H100 80GB HBM3", "mig": "NVIDIA H100 80GB HBM3 MIG 1g.10gb"}
    mig = {0: "mig"}
    got = nvml.read(
        binding(
            nvmlSystemGetDriverVersion=lambda: b"580.95.05",
            nvmlSystemGetCudaDriverVersion_v2=lambda: 13040,
            nvmlDeviceGetCount=lambda: 1,
            nvmlDeviceGetHandleByIndex=lambda _: "gpu",
            nvmlDeviceGetName=names.__getitem__,
            nvmlDeviceGetUUID=lambda handle: f"{handle}-uuid",
            nvmlDeviceGetPciInfo=lambda _: SimpleNamespace(busId=b"00000000:17:00.0"),
            nvmlDeviceGetMemoryInfo=lambda _: SimpleNamespace(total=80),
            nvmlDeviceGetCudaComputeCapability=lambda _: (9, 0),
            nvmlDeviceGetMigMode=lambda _: (1, 1),
            nvmlDeviceGetMaxMigDeviceCount=lambda _: 7,
            nvmlDeviceGetMigDeviceHandleByIndex=lambda _, index: mig[index] if index in mig else fails(3)(),
            nvmlDeviceGetGpuInstanceId=lambda _: 9,
            nvmlDeviceGetComputeInstanceId=lambda _: 0,
        )
    )
    assert got
    (gpu,) = got.gpus
    assert (got.cuda, gpu.pci, gpu.capability, gpu.driver) == ("13.4", PCI, "9.0", "580.95.05")
    assert gpu.slices == (Slice(profile="1g.10gb", uuid="mig-uuid", memory_bytes=80, instance=(9, 0)),)


def test_nvml_that_supports_little_still_names_the_gpu() -> None:
    few = binding(
        nvmlSystemGetDriverVersion=lambda: "470.82.01",
        nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetHandleByIndex=lambda _: "gpu",
    )
    assert nvml.read(few) == ToolAnswer(tool="NVML", gpus=(ReportedGpu(driver="470.82.01"),))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (12, None),
        (9, ToolAnswer(tool="NVML", failure="error 9")),
        (18, ToolAnswer(tool="NVML", failure="error 18", mismatch=True)),
    ],
)
def test_nvml_that_does_not_start(value: int, expected: ToolAnswer | None) -> None:
    assert nvml.read(binding(nvmlInit=fails(value))) == expected


def test_nvml_that_breaks_later() -> None:
    got = nvml.read(binding(nvmlSystemGetDriverVersion=fails(15)))
    assert got == ToolAnswer(tool="NVML", failure="error 15")


@pytest.mark.parametrize(
    ("health", "slices", "expected"),
    [
        (Health(mig=True), (), ["KGE-139"]),
        (Health(mig=True), (Slice(profile="1g.10gb", uuid="MIG-1"),), []),
        (Health(uncorrected=4), (), ["KGE-134"]),
        (Health(remap_pending=True), (), ["KGE-134"]),
        (Health(), (), []),
        (None, (), []),
    ],
)
def test_what_a_tool_alone_knows_is_found(
    health: Health | None, slices: tuple[Slice, ...], expected: list[str]
) -> None:
    assert codes(merge_tool(HOST, seen(replace(REPORTED, health=health, slices=slices)))) == expected


def test_health_as_nvidia_smi_prints_it() -> None:
    text = (
        "00000000:17:00.0, Enabled, 0, No\n00000000:65:00.0, [N/A], [N/A], [N/A]\n0000:b3:00.0, Disabled, 4, Yes\nno\n"
    )
    assert parse_smi_health(text) == {
        "0000:17:00.0": Health(mig=True),
        "0000:65:00.0": Health(),
        "0000:b3:00.0": Health(uncorrected=4, remap_pending=True),
    }


def test_health_as_nvml_tells_it() -> None:
    class Failed(Exception):  # noqa: N818 - stands for the binding's class
        value = 3

    binding = SimpleNamespace(
        NVMLError=Failed,
        nvmlDeviceGetMigMode=lambda _: [1, 1],
        nvmlDeviceGetTotalEccErrors=lambda _, kind, counter: 2 if (kind, counter) == (1, 0) else 0,
        nvmlDeviceGetRemappedRows=lambda _: (0, 4, 1, 0),
    )
    found = nvml._health(cast("ModuleType", binding), object())  # noqa: SLF001 - the binding's calls, one by one
    assert found == Health(mig=True, uncorrected=2, remap_pending=True)
