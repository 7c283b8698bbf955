"""Pure readers for what NVIDIA's driver and tools print: text in, value out, nothing raised."""

import csv
import re
from dataclasses import dataclass, replace
from typing import Final, Literal

from provision.probe.parsers import parse_name, parse_pairs, parse_pci

GEFORCE: Final = re.compile(r"\bGeForce\b|\bTITAN\b")  # in a product's name: not one for data centres
_LONGEST = 10_000  # characters of a line of nvidia-smi; csv refuses a field of more than 131072
_MODULE = re.compile(r"Kernel Module(?: for (\S+))?\s+(\d{1,5}\.\d{1,5}(?:\.\d{1,5})?)", re.ASCII)
_LIBRARY = re.compile(r"lib(?:cuda|nvidia-ml)\.so\.(\d{1,5}\.\d{1,5}(?:\.\d{1,5})?)", re.ASCII)
_VERSION = re.compile(r"\d{1,5}\.\d{1,5}(?:\.\d{1,5})?", re.ASCII)
_UUID = re.compile(r"(?:GPU|MIG)-[0-9a-fA-F][0-9a-fA-F/-]+", re.ASCII)
_GPU_LINE = re.compile(r"GPU \d+: .*\(UUID: (GPU-[0-9a-fA-F-]+)\)", re.ASCII)
_MIG_LINE = re.compile(r"MIG (\S+)\s+Device\s+\d+: \(UUID: (MIG-[0-9a-fA-F/-]+)\)", re.ASCII)

# The order of the fields in nvidia-smi --query-gpu; drivers older than R510 do not know compute_cap.
SMI_FIELDS = ("uuid", "name", "pci.bus_id", "driver_version", "memory.total", "compute_cap")
# Asked apart, since a field that an old driver does not know fails the whole question.
HEALTH_FIELDS = ("pci.bus_id", "mig.mode.current", "ecc.errors.uncorrected.volatile.total", "remapped_rows.pending")


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelModule:
    """What /proc/driver/nvidia/version tells; /sys/module/nvidia/version, its substitute, tells no flavour."""

    version: str
    flavour: Literal["open", "proprietary"] | None = None
    machine: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuInformation:
    """One /proc/driver/nvidia/gpus/*/information file."""

    model: str | None = None
    uuid: str | None = None
    pci: str | None = None
    minor: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A MIG device as NVML or `nvidia-smi -L` names it. Memory in bytes; instance ids only from NVML."""

    profile: str
    uuid: str | None = None
    memory_bytes: int | None = None
    instance: tuple[int, int] | None = None  # GPU instance, compute instance


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What only a tool knows of a GPU: whether MIG is on, and the state of its memory."""

    mig: bool = False
    uncorrected: int = 0  # memory errors since the driver was loaded
    remap_pending: bool = False  # a faulty row waits for a reset to be replaced


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedGpu:
    """A GPU as NVML or nvidia-smi describes it; None for what it did not tell. Memory in bytes."""

    uuid: str | None = None
    name: str | None = None
    pci: str | None = None
    driver: str | None = None
    memory_bytes: int | None = None
    capability: str | None = None
    slices: tuple[Slice, ...] = ()
    health: Health | None = None  # None where nothing told


def parse_module_version(text: str) -> KernelModule | None:
    """Return version and flavour of the loaded module from /proc/driver/nvidia/version, in both its forms."""
    found = _MODULE.search(text)
    if not found:
        return None
    line = next(line for line in text.splitlines() if found[2] in line)
    flavour: Literal["open", "proprietary"] = "open" if "Open Kernel Module" in line else "proprietary"
    return KernelModule(version=found[2], flavour=flavour, machine=found[1])


def parse_version(text: str | None) -> str | None:
    """Return a driver version that stands alone in `text` (/sys/module/nvidia/version), or None."""
    found = _VERSION.fullmatch((text or "").strip())
    return found[0] if found else None


def parse_library_version(name: str) -> str | None:
    """Return the driver version in a file name of libcuda or libnvidia-ml; None for libcuda.so.1."""
    found = _LIBRARY.fullmatch(name)
    return found[1] if found else None


def parse_gpu_information(text: str) -> GpuInformation:
    """Return what an information file tells. A UUID of question marks (GPU not initialised yet) is None."""
    fields = parse_pairs(text)
    minor = fields.get("Device Minor", "")
    uuid = fields.get("GPU UUID", "")
    return GpuInformation(
        model=parse_name(fields.get("Model")),
        uuid=uuid if _UUID.fullmatch(uuid) else None,
        pci=parse_pci(fields.get("Bus Location", "")),
        minor=int(minor) if re.fullmatch(r"\d{1,5}", minor, re.ASCII) else None,
    )


def parse_minor(text: str) -> int | None:
    """Return DeviceFileMinor of a capability file, the N of /dev/nvidia-caps/nvidia-capN."""
    minor = parse_pairs(text).get("DeviceFileMinor", "")
    return int(minor) if re.fullmatch(r"\d{1,7}", minor, re.ASCII) else None


def parse_smi_table(text: str, fields: tuple[str, ...] = SMI_FIELDS) -> tuple[ReportedGpu, ...]:
    """Return the GPUs of `nvidia-smi --query-gpu=FIELDS --format=csv,noheader,nounits`."""
    lines = [line for line in _printable(text).splitlines() if len(line) <= _LONGEST]
    rows = csv.reader(lines, skipinitialspace=True)
    return tuple(
        _reported(dict(zip(fields, (cell.strip() for cell in row), strict=True)))
        for row in rows
        if len(row) == len(fields)
    )


def _printable(text: str) -> str:
    return "".join(char for char in text if char.isprintable() or char == "\n").replace('"', "")


def _reported(cells: dict[str, str]) -> ReportedGpu:
    known = {key: value for key, value in cells.items() if value and not value.startswith("[")}
    memory = known.get("memory.total", "")
    capability = known.get("compute_cap", "")
    uuid = known.get("uuid", "")
    return ReportedGpu(
        uuid=uuid if _UUID.fullmatch(uuid) else None,
        name=known.get("name"),
        pci=parse_pci(known.get("pci.bus_id", "")),
        driver=parse_version(known.get("driver_version")),
        memory_bytes=int(memory) * 2**20 if re.fullmatch(r"\d{1,9}", memory, re.ASCII) else None,
        capability=capability if re.fullmatch(r"\d{1,2}\.\d", capability, re.ASCII) else None,
    )


def parse_smi_health(text: str) -> dict[str, Health]:
    """Return by PCI address what `nvidia-smi --query-gpu=HEALTH_FIELDS --format=csv,noheader,nounits` tells."""
    rows = (
        dict(zip(HEALTH_FIELDS, cells, strict=True))
        for row in csv.reader(_printable(text).splitlines(), skipinitialspace=True)
        if len(cells := [cell.strip() for cell in row]) == len(HEALTH_FIELDS)
    )
    return {pci: _health(row) for row in rows if (pci := parse_pci(row["pci.bus_id"]))}


def _health(cells: dict[str, str]) -> Health:
    errors = cells["ecc.errors.uncorrected.volatile.total"]
    return Health(
        mig=cells["mig.mode.current"] == "Enabled",
        uncorrected=int(errors) if re.fullmatch(r"\d{1,12}", errors, re.ASCII) else 0,
        remap_pending=cells["remapped_rows.pending"] in {"Yes", "1"},
    )


def with_health(gpus: tuple[ReportedGpu, ...], health: dict[str, Health]) -> tuple[ReportedGpu, ...]:
    """Return `gpus` with what `parse_smi_health` found for them."""
    return tuple(replace(gpu, health=health.get(gpu.pci or "")) for gpu in gpus)


def parse_smi_list(text: str) -> dict[str, tuple[Slice, ...]]:
    """Return the MIG devices of `nvidia-smi -L` by the UUID of the GPU that they belong to."""
    found: dict[str, tuple[Slice, ...]] = {}
    parent = ""
    for line in text.splitlines():
        if gpu := _GPU_LINE.search(line):
            parent = gpu[1]
        elif (mig := _MIG_LINE.search(line)) and parent:
            found[parent] = (*found.get(parent, ()), Slice(profile=mig[1], uuid=mig[2]))
    return found


def with_slices(gpus: tuple[ReportedGpu, ...], slices: dict[str, tuple[Slice, ...]]) -> tuple[ReportedGpu, ...]:
    """Return `gpus` with the MIG devices that `parse_smi_list` found for them."""
    return tuple(replace(gpu, slices=slices.get(gpu.uuid or "", ())) for gpu in gpus)


def architecture(capability: str | None) -> str | None:
    """Return a compute capability in the model's form: "9.0" is sm_90."""
    return f"sm_{capability.replace('.', '')}" if capability else None
