"""What NVML tells, by NVIDIA's own Python binding (the extra `nvml`), with a time limit."""

import threading
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Final

from provision.probe import command
from provision.probe.nvidia_parsers import Health, ReportedGpu, Slice, parse_version
from provision.probe.parsers import parse_pci
from provision.probe.smi import ToolAnswer

_TOOL: Final = "NVML"
_MISMATCH: Final = 18  # NVML_ERROR_LIB_RM_VERSION_MISMATCH
_NO_LIBRARY: Final = 12  # NVML_ERROR_LIBRARY_NOT_FOUND
_UNCORRECTED: Final = 1  # NVML_MEMORY_ERROR_TYPE_UNCORRECTED
_VOLATILE: Final = 0  # NVML_VOLATILE_ECC: since the driver was loaded


def ask_nvml() -> ToolAnswer | None:
    """Return what NVML answers, or None when the binding or the library is not installed.

    A GPU that fell off the bus can block NVML for minutes: it is asked in a thread that is left behind then.
    """
    if find_spec("pynvml") is None:
        return None
    answers: list[ToolAnswer | None] = []
    nvml = import_module("pynvml")
    thread = threading.Thread(target=lambda: answers.append(read(nvml)), daemon=True)
    thread.start()
    thread.join(command.SECONDS)
    return answers[0] if answers else ToolAnswer(tool=_TOOL, failure=f"no answer within {command.SECONDS:g} s")


def read(nvml: ModuleType) -> ToolAnswer | None:
    """Return what the NVML binding `nvml` tells, or None when NVIDIA's library is not there."""
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        if error.value == _NO_LIBRARY:
            return None
        return ToolAnswer(tool=_TOOL, failure=str(error), mismatch=error.value == _MISMATCH)
    try:
        driver = parse_version(_text(nvml.nvmlSystemGetDriverVersion()))
        count = nvml.nvmlDeviceGetCount()
        gpus = tuple(_gpu(nvml, nvml.nvmlDeviceGetHandleByIndex(i), driver) for i in range(count))
        cuda = _try(nvml, "nvmlSystemGetCudaDriverVersion_v2")
        return ToolAnswer(tool=_TOOL, gpus=gpus, cuda=cuda_version(cuda) if cuda else None)
    except nvml.NVMLError as error:
        return ToolAnswer(tool=_TOOL, failure=str(error))
    finally:
        _try(nvml, "nvmlShutdown")


def cuda_version(number: int) -> str:
    """Return NVML's number as a version: 13040 is 13.4."""
    return f"{number // 1000}.{number % 1000 // 10}"


def _gpu(nvml: ModuleType, handle: object, driver: str | None) -> ReportedGpu:
    capability = _try(nvml, "nvmlDeviceGetCudaComputeCapability", handle)
    memory = _try(nvml, "nvmlDeviceGetMemoryInfo", handle)
    pci = _try(nvml, "nvmlDeviceGetPciInfo", handle)
    return ReportedGpu(
        uuid=_text(_try(nvml, "nvmlDeviceGetUUID", handle)),
        name=_text(_try(nvml, "nvmlDeviceGetName", handle)),
        pci=parse_pci(_text(pci.busId) or "") if pci else None,
        driver=driver,
        memory_bytes=int(memory.total) if memory else None,
        capability=f"{capability[0]}.{capability[1]}" if capability else None,
        slices=_slices(nvml, handle),
        health=_health(nvml, handle),
    )


def _health(nvml: ModuleType, handle: object) -> Health | None:
    mode = _try(nvml, "nvmlDeviceGetMigMode", handle)  # now, and after the next reset
    errors = _try(nvml, "nvmlDeviceGetTotalEccErrors", handle, _UNCORRECTED, _VOLATILE)
    rows = _try(nvml, "nvmlDeviceGetRemappedRows", handle)  # corrected, uncorrected, is pending, has failed
    if mode is None and errors is None and rows is None:
        return None
    return Health(mig=bool(mode and mode[0]), uncorrected=int(errors or 0), remap_pending=bool(rows and rows[2]))


def _slices(nvml: ModuleType, handle: object) -> tuple[Slice, ...]:
    mode = _try(nvml, "nvmlDeviceGetMigMode", handle)
    if not mode or not mode[0]:
        return ()
    count = _try(nvml, "nvmlDeviceGetMaxMigDeviceCount", handle) or 0
    handles = (_try(nvml, "nvmlDeviceGetMigDeviceHandleByIndex", handle, index) for index in range(count))
    return tuple(_slice(nvml, mig) for mig in handles if mig is not None)


def _slice(nvml: ModuleType, handle: object) -> Slice:
    name = _text(_try(nvml, "nvmlDeviceGetName", handle)) or ""
    memory = _try(nvml, "nvmlDeviceGetMemoryInfo", handle)
    gpu = _try(nvml, "nvmlDeviceGetGpuInstanceId", handle)
    compute = _try(nvml, "nvmlDeviceGetComputeInstanceId", handle)
    return Slice(
        profile=name.rpartition("MIG ")[2] or "MIG",
        uuid=_text(_try(nvml, "nvmlDeviceGetUUID", handle)),
        memory_bytes=int(memory.total) if memory else None,
        instance=(int(gpu), int(compute)) if gpu is not None and compute is not None else None,
    )


def _try(nvml: ModuleType, function: str, *arguments: object) -> Any:  # noqa: ANN401 - the binding has no types
    """Return what a function of the binding answers, or None when the GPU, driver or binding does not know it."""
    ask = getattr(nvml, function, None)
    try:
        return ask(*arguments) if ask else None
    except nvml.NVMLError:
        return None


def _text(value: str | bytes | None) -> str | None:
    """Return a string of the binding: bytes in its old versions."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value
