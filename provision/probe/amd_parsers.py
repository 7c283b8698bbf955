"""Pure readers for the texts of AMD's kernel driver: text in, value out, nothing raised."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from provision.model.version import VERSION

_PROPERTY = re.compile(r"(\w+)\s+(\d{1,20})", re.ASCII)
_IDS = re.compile(r"([0-9A-Fa-f]{4}),\s*([0-9A-Fa-f]{1,2}),\s*(\S.*)", re.ASCII)

# Integrated GPUs share the system's memory. AMD ROCm/TheRock docs/faq.md and rocm-cli's gfx_is_apu_family for
# RDNA; the GCN ones are LLVM's "APU" processors (AMDGPUUsage).
_INTEGRATED: Final = {"gfx902", "gfx909", "gfx90c", "gfx1013"} | {
    f"gfx{target}" for target in (1033, 1035, 1036, 1103, 1150, 1151, 1152, 1153)
}
_VRAM_HEAPS: Final = {1, 2}  # public and private frame buffer (libhsakmt's hsakmttypes.h); 0 is system memory
_DEVICES_OF_MODE: Final = {2: "DPX", 3: "TPX", 4: "QPX"}
_ONE_XCC_IS_A_PART: Final = {"gfx942", "gfx950"}  # no product of these has a single XCC


def parse_properties(text: str) -> dict[str, int]:
    """Return the `name value` lines of a KFD properties file; lines of another form are left out."""
    matches = (_PROPERTY.fullmatch(line.strip()) for line in text.splitlines())
    return {found[1]: int(found[2]) for found in matches if found}


def parse_driver_version(text: str) -> str | None:
    """Return the dotted numbers that amdgpu's version begins with: 6.16.6-custom was made from 6.16.6."""
    found = re.match(VERSION, text)
    return found[0] if found else None


def gfx_name(version: int) -> str | None:
    """Return the target of KFD's gfx_target_version: 90010 is gfx90a; None for 0 (a CPU node).

    Minor and step are printed in hex (rocminfo's rocm_agent_enumerator).
    """
    major, minor, step = version // 10000, version // 100 % 100, version % 100
    return f"gfx{major}{minor:x}{step:x}" if major > 0 else None


def is_gpu(properties: Mapping[str, int]) -> bool:
    """Tell a GPU node from a CPU node; old kernels give no gfx_target_version but count SIMDs."""
    return properties.get("gfx_target_version", 0) > 0 or properties.get("simd_count", 0) > 0


def is_integrated(architecture: str | None, properties: Mapping[str, int]) -> bool:
    """Tell an APU from a card: by its target, or because its KFD node has CPU cores as well."""
    return architecture in _INTEGRATED or properties.get("cpu_cores_count", 0) > 0


def pci_address(properties: Mapping[str, int]) -> str:
    """Return the node's PCI address from domain and location_id; old kernels give no domain."""
    location = properties.get("location_id", 0)
    domain = properties.get("domain", 0)
    return f"{domain:04x}:{location >> 8 & 0xFF:02x}:{location >> 3 & 0x1F:02x}.{location & 7}"


def device_uuid(properties: Mapping[str, int]) -> str | None:
    """Return ROCr's UUID of the GPU, `GPU-` and 16 hex digits, or None when it has no unique id."""
    unique = properties.get("unique_id", 0)
    return f"GPU-{unique & 0xFFFFFFFFFFFFFFFF:016x}" if unique else None


def compute_units(properties: Mapping[str, int]) -> int | None:
    """Return how many compute units a KFD node has, or None where it does not tell both numbers."""
    simds, each = properties.get("simd_count", 0), properties.get("simd_per_cu", 0)
    return simds // each if simds and each else None


def vram_bytes(banks: Iterable[Mapping[str, int]]) -> int | None:
    """Return the size of the GPU's own memory from its mem_banks, or None when it has none of its own."""
    size = sum(bank.get("size_in_bytes", 0) for bank in banks if bank.get("heap_type") in _VRAM_HEAPS)
    return size or None


def partition_name(mode: str | None, siblings: int, architecture: str | None, xcc: int) -> str | None:
    """Return the partition mode of a node, None for a whole GPU.

    Args:
        mode: current_compute_partition, None when it could not be read.
        siblings: KFD nodes of the same physical GPU.
        architecture: gfx942 and so on.
        xcc: the node's num_xcc.
    """
    if mode and re.fullmatch(r"[A-Z]{3}", mode, re.ASCII):
        return None if mode == "SPX" else mode
    if siblings > 1:
        return _DEVICES_OF_MODE.get(siblings, "CPX")
    return "CPX" if architecture in _ONE_XCC_IS_A_PART and xcc == 1 else None


def parse_marketing_names(text: str) -> dict[tuple[str, int], str]:
    """Return libdrm's amdgpu.ids by PCI device id (four hex digits) and revision."""
    matches = (_IDS.fullmatch(line.strip()) for line in text.splitlines())
    return {(found[1].lower(), int(found[2], 16)): found[3] for found in matches if found}
