"""Known messages lead to their cause. The messages are those of the facts, as their sources quote them."""

import re
from pathlib import Path

import msgspec
import pytest
import yaml

from provision.catalogue.rows import KnownError
from provision.engine.protocol import Ran
from provision.model import Vendor
from provision.prove import Evidence, Expectation, Problem
from provision.prove.diagnose import HARMLESS, diagnose
from provision.prove.judge import judge

FILE = Path(__file__).parents[3] / "images" / "errors.yaml"
RAW = yaml.safe_load(FILE.read_text())["errors"]
ROWS = msgspec.convert(RAW, list[KnownError])

CUDA = {
    'could not select device driver "" with capabilities: [[gpu]]': "KGE-510",
    'could not select device driver "nvidia" with capabilities: [[gpu]]': "KGE-510",
    'could not select device driver "cdi" with capabilities: []': "KGE-511",
    "nvidia-container-cli: initialization error: nvml error: driver not loaded": "KGE-512",
    "Failed to initialize NVML: Driver/library version mismatch": "KGE-513",
    "nvidia-container-cli: initialization error: nvml error: driver/library version mismatch": "KGE-513",
    "Failed to initialize NVML: Unknown Error": "KGE-514",
    "Failed to initialize NVML: Insufficient Permissions": "KGE-515",
    "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.8, please update": "KGE-516",
    "failed to inject CDI devices: unresolvable CDI devices nvidia.com/gpu=all": "KGE-517",
    "CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=all": "KGE-517",
    "nvidia-container-cli: initialization error: driver rpc error: failed to process request": "KGE-518",
    'CDI device injection failed: failed to inject devices: failed to stat CDI host device "/dev/nvidia1"': "KGE-533",
    'error mounting "/usr/lib/libcuda.so.535.1" to rootfs at "/x": open /x: no such file or directory': "KGE-533",
    "error running hook #0: fork/exec /usr/bin/nvidia-ctk: no such file or directory": "KGE-533",
    "Failed to create stream executor for device CUDA:0: : CUDA_ERROR_OUT_OF_MEMORY: out of memory": "KGE-534",
    "AcceleratorError: CUDA error: out of memory": "KGE-534",
    "InternalError: cudaSetDevice() on GPU:0 failed. Status: out of memory": "KGE-534",
    "cuInit: forward compatibility was attempted on non supported HW": "KGE-520",
    "CUDA_ERROR_UNSUPPORTED_PTX_VERSION: the provided PTX was compiled with an unsupported toolchain": "KGE-521",
    "LLVM ERROR: PTX version 8.5 does not support target 'sm_120'. Minimum required PTX version is 8.7": "KGE-522",
    "'cuModuleLoadData(&module, data)' failed with 'CUDA_ERROR_INVALID_PTX'": "KGE-523",
    "no kernel image is available for execution on the device": "KGE-524",
    "The NVIDIA driver on your system is too old (found version 12080)": "KGE-525",
    "libdevice not found at ./libdevice.10.bc": "KGE-526",
    "No PTX compilation provider is available. Neither ptxas/nvlink nor nvjtlink is available": "KGE-526",
    "Cannot dlopen some GPU libraries. Please make sure the missing libraries": "KGE-527",
    "failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected": "KGE-528",
    "kernel driver does not appear to be running on this host (x): /proc/driver/nvidia/version": "KGE-529",
    "Could not find cuda drivers on your machine, GPU will not be used.": "KGE-530",
    "exec /usr/bin/python3: exec format error": "KGE-570",
    "manifest for nvidia/cuda:latest not found: manifest unknown": "KGE-571",
}
ROCM = {
    'error gathering device information while adding custom device "/dev/kfd": no such file or directory': "KGE-540",
    'failed to inject devices: failed to stat CDI host device "/dev/dri/renderD129": no such file': "KGE-561",
    "CDI device injection failed: unresolvable CDI devices amd.com/gpu=all": "KGE-541",
    "GPUs [0] are exclusive and already in use": "KGE-542",
    "Unable to find group render: no matching entries in group file": "KGE-543",
    "Unable to open /dev/kfd read-write: Permission denied": "KGE-544",
    "Unable to open /dev/kfd read-write: No such file or directory": "KGE-545",
    "Unable to open /dev/kfd read-write: Invalid argument": "KGE-546",
    "ROCk module is NOT loaded, possibly no GPU devices": "KGE-547",
    "Ignoring visible gpu device (device: 0) with AMDGPU version : gfx1100. The supported AMDGPU versions are "
    "gfx1030gfx1100, gfx900": "KGE-548",
    "Ignoring visible gpu device (device: 0, name: x, pci bus id: y) with AMDGPU version : gfx1102.": "KGE-549",
    "torch.OutOfMemoryError: HIP out of memory. Tried to allocate 20.00 MiB": "KGE-562",
    "hipErrorNoBinaryForGpu: Unable to find code object for all current devices!": "KGE-550",
    "Coudn't find binary for current devices!": "KGE-550",
    "invalid device function": "KGE-551",
    "ImportError: librccl.so.1: cannot open shared object file: No such file or directory": "KGE-552",
    "ImportError: libamdhip64.so.6: cannot open shared object file": "KGE-553",
    "ImportError: librocm_sysdeps_asm.so.1": "KGE-554",
    "ImportError: libhsa-runtime64.so.1: cannot open shared object file": "KGE-555",
    "HSA_OVERRIDE_GFX_VERSION 10.3 is invalid": "KGE-556",
    "hsa api call failure at: rocminfo.cc. HSA_STATUS_ERROR_OUT_OF_RESOURCES": "KGE-557",
    "failed call to hipInit: HIP_ERROR_InvalidDevice": "KGE-558",
}


@pytest.mark.parametrize(("line", "code"), CUDA.items())
def test_messages_of_nvidia(line: str, code: str) -> None:
    found = diagnose(f"noise\n  {line}\nnoise", Vendor.CUDA, ROWS)
    assert found is not None
    assert (found.code, found.seen) == (code, line)


@pytest.mark.parametrize(("line", "code"), ROCM.items())
def test_messages_of_amd(line: str, code: str) -> None:
    found = diagnose(line, Vendor.ROCM, ROWS)
    assert found is not None
    assert found.code == code


HARMLESS_LINES = [
    "MIOpen(HIP): Warning [SQLiteBase] Missing system database file: gfx1030_40.kdb Performance may degrade.",
    "/opt/amdgpu/share/libdrm/amdgpu.ids: No such file or directory",
    "successful NUMA node read from SysFS had negative value (-1), but there must be at least one NUMA node",
    "groups: cannot find name for group ID 993",
    "Unable to register cuDNN factory: Attempting to register factory for plugin cuDNN",
]


@pytest.mark.parametrize("line", HARMLESS_LINES)
def test_harmless_messages_are_known_but_no_cause(line: str) -> None:
    assert any(re.search(row.match, line) for row in ROWS if row.note == HARMLESS)
    assert diagnose(line, Vendor.ROCM, ROWS) is None
    assert diagnose(line, Vendor.CUDA, ROWS) is None


def test_the_other_vendors_messages_are_not_taken() -> None:
    assert diagnose("Could not find cuda drivers on your machine", Vendor.ROCM, ROWS) is None


def test_every_row_that_is_a_cause_has_a_message_here() -> None:
    assert {row.id for row in ROWS if row.note != HARMLESS} - {*CUDA.values(), *ROCM.values()} == {"KGE-519"}


def test_rows_are_complete_and_unique() -> None:
    assert len({row.id for row in ROWS}) == len(ROWS)
    assert all(row.source and row.checked and row.fix and row.cause for row in ROWS)
    assert all("vendor" in row for row in RAW)


def test_a_refusal_is_reported_with_its_cause(cuda: Expectation, done: Ran) -> None:
    words = 'could not select device driver "" with capabilities: [[gpu]]'
    proof = judge(cuda, msgspec.structs.replace(done, refused=words), Problem(what="nothing"), ROWS)
    assert (proof.code, proof.seen) == ("KGE-510", words)
    assert "NVIDIA Container Toolkit is not installed" in proof.reason


def test_a_log_line_explains_the_cpu(cuda: Expectation, done: Ran, cpu_evidence: Evidence) -> None:
    cuda_build = msgspec.structs.replace(cpu_evidence, build={"is_cuda_build": "True"})
    said = msgspec.structs.replace(
        done, stderr="W: Could not find cuda drivers on your machine, GPU will not be used.\n"
    )
    proof = judge(cuda, said, cuda_build, ROWS)
    assert proof.code == "KGE-530"
    assert "the model trained on the CPU" in proof.reason
