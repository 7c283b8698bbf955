"""What the container shows of the GPU before any framework is asked."""

from __future__ import annotations

import contextlib
import ctypes
import glob
import os
import platform
from pathlib import Path
from typing import Any

from .makers import MAKERS
from .record import read

NODES = (*(pattern for maker in MAKERS.values() for pattern in maker["nodes"]), "/dev/dxg")
# Each maker's driver library, the newest first. A library of another maker is never opened: it stays in the process,
# and ROCm's was seen to abort it at its end (TheRock#1059, #2269).
LIBRARIES: dict[str, list[str]] = {vendor: maker["library_files"] for vendor, maker in MAKERS.items()}
# Of a node of KFD's topology: what tells it from the others, and its architecture.
KFD = ("drm_render_minor", "unique_id", "location_id", "domain", "gfx_target_version")
# Names of GPU settings only: a broader net, such as all of TF_*, would catch other tools' secrets (TF_VAR_*).
VARIABLES = (
    *(name for maker in MAKERS.values() for name in maker["settings"]),
    *("TF_CPP_", "TF_CUDNN_", "TF_ENABLE_", "TF_FORCE_", "TF_GPU_", "TF_MIN_GPU_", "TF_ROCM_", "TF_USE_", "TF_XLA_"),
    *("XLA_FLAGS", "LD_LIBRARY_PATH", "KERAS_BACKEND", "KERAS_TORCH_DEVICE", "JAX_PLATFORMS", "JAX_DEFAULT_DEVICE"),
)


def nodes() -> list[dict[str, Any]]:
    """Return the GPU device nodes that are inside, each with the error of opening it."""
    found = []
    for path in sorted({path for pattern in NODES for path in glob.glob(pattern)}):  # noqa: PTH207 - absolute patterns, which Path.glob refuses
        error = None
        if not Path(path).is_dir():
            try:
                os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
            except OSError as problem:
                error = problem.strerror
            found.append({"path": path, "error": error})
    return found


def of_vendor(vendor: str | None) -> tuple[str, ...]:
    """Return the names of a vendor's driver library; those of all vendors for None, and none for the CPU."""
    return tuple(LIBRARIES.get(vendor, ()) if vendor else (name for names in LIBRARIES.values() for name in names))


def libraries(vendor: str | None) -> list[dict[str, Any]]:
    """Return which driver libraries can be loaded, and the loader's words for those that cannot."""
    found = []
    for name in of_vendor(vendor):
        error = None
        try:
            ctypes.CDLL(name)
        except OSError as problem:
            error = str(problem)
        found.append({"name": name, "error": error})
    return found


def kfd() -> list[dict[str, int]]:
    """Return the GPU nodes of KFD's topology, in its order, which is ROCr's.

    The kernel hides the contents of nodes that a container was not given (kfd_topology.c, node_show).
    """
    found = []
    for path in glob.glob("/sys/class/kfd/kfd/topology/nodes/*/properties"):  # noqa: PTH207 - as in `nodes`
        pairs = [line.split() for line in (read(path) or "").splitlines()]
        told = {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}  # noqa: PLR2004 - name, value
        if told.get("simd_count"):
            found.append({"node": int(Path(path).parent.name), **{key: told[key] for key in KFD if key in told}})
    return sorted(found, key=lambda one: one["node"])


def mapped() -> list[str]:
    """Return the GPU libraries that this process has mapped now."""
    own = (maker["library"] for maker in MAKERS.values())
    names = (*own, "libcudart", "libcublas.so", "libcudnn.so", "libhsa-runtime64", "libdxcore")
    text = read("/proc/self/maps", limit=None) or ""
    paths = {line.split(maxsplit=5)[5] for line in text.splitlines() if len(line.split(maxsplit=5)) == 6}  # noqa: PLR2004 - the columns of proc_pid_maps(5)
    return sorted(path for path in paths if Path(path).name.startswith(names))


def capacity(lib: Any, handle: ctypes.c_int) -> dict[str, int]:
    """Return what of a CUDA device its peak follows from; empty for a library that is not CUDA's or does not tell.

    The numbers are CUdevice_attribute's (cuda.h), which never change.
    """
    found, value = {}, ctypes.c_int(0)
    for name, number_ in {"clock_khz": 13, "multiprocessors": 16, "major": 75, "minor": 76}.items():
        with contextlib.suppress(AttributeError):
            if lib.cuDeviceGetAttribute(ctypes.byref(value), number_, handle) == 0:
                found[name] = value.value
    return found


def total_memory(lib: Any, handle: ctypes.c_int, *, cuda: bool) -> dict[str, int]:
    """Return a device's memory in bytes; empty for a library that does not tell."""
    size = ctypes.c_size_t(0)
    with contextlib.suppress(AttributeError):
        if getattr(lib, "cuDeviceTotalMem_v2" if cuda else "hipDeviceTotalMem")(ctypes.byref(size), handle) == 0:
            return {"memory_bytes": size.value}
    return {}


def driver_devices(library: str, prefix: str) -> list[dict[str, Any]]:
    """Ask the driver library itself for its devices: ordinal, PCI address and UUID.

    The CUDA and the HIP entry points differ in their names only.
    """
    lib = ctypes.CDLL(library)
    if getattr(lib, prefix + "Init")(0) != 0:
        return []
    cuda = prefix == "cu"
    count = ctypes.c_int(0)
    getattr(lib, "cuDeviceGetCount" if cuda else "hipGetDeviceCount")(ctypes.byref(count))
    # The second version tells a MIG slice's own; the first is gone from CUDA 13's headers.
    uuid_of = getattr(lib, "cuDeviceGetUuid_v2", None) or getattr(lib, prefix + "DeviceGetUuid", None)
    found = []
    for ordinal in range(count.value):
        handle, pci, raw = ctypes.c_int(0), ctypes.create_string_buffer(32), ctypes.create_string_buffer(16)
        if getattr(lib, prefix + "DeviceGet")(ctypes.byref(handle), ordinal) != 0:
            continue
        pci_known = getattr(lib, prefix + "DeviceGetPCIBusId")(pci, 32, handle) == 0
        uuid_known = uuid_of is not None and uuid_of(raw, handle) == 0
        found.append(
            {
                "ordinal": ordinal,
                "pci": pci.value.decode("ascii", "replace") if pci_known else None,
                "uuid": (raw.raw.hex() if cuda else raw.raw.decode("ascii", "replace")) if uuid_known else None,
                "capacity": {**capacity(lib, handle), **total_memory(lib, handle, cuda=cuda)},
            }
        )
    return found


def driver(vendor: str | None) -> list[dict[str, Any]]:
    """Return the devices of the vendor's driver library, or of the first that answers."""
    calls = {name: maker["library_calls"] for maker in MAKERS.values() for name in maker["library_files"]}
    for library in filter(calls.get, of_vendor(vendor)):
        with contextlib.suppress(OSError, AttributeError):
            found = driver_devices(library, calls[library])
            if found:
                return found
    return []


def environment(vendor: str | None) -> dict[str, Any]:
    """Return what the container shows of a vendor's GPU before the framework is asked."""
    information = sorted(glob.glob("/proc/driver/nvidia/gpus/*/information"))  # noqa: PTH207 - the same
    return {
        "variables": {key: value for key, value in sorted(os.environ.items()) if key.startswith(VARIABLES)},
        "nodes": nodes(),
        "libraries": libraries(vendor),
        "nvidia_version": read("/proc/driver/nvidia/version"),
        "nvidia_information": [text for text in map(read, information) if text],
        "amdgpu_version": read("/sys/module/amdgpu/version"),
        "uid": os.getuid(),
        "gids": sorted({os.getgid(), *os.getgroups()}),
        "machine": platform.machine(),
        "boot_id": (read("/proc/sys/kernel/random/boot_id") or "").strip() or None,
        "kfd": kfd(),
    }
