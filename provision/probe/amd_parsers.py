"""Pure readers for the texts of AMD's kernel driver: text in, value out, nothing raised."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from provision.model.version import VERSION

_PROPERTY = re.compile(r"(\w+)\s+(\d{1,20})", re.ASCII)
_IDS = re.compile(r"([0-9A-Fa-f]{4}),\s*([0-9A-Fa-f]{1,2}),\s*(\S.*)", re.ASCII)

_VRAM_HEAPS: Final = {1, 2}  # public and private frame buffer (libhsakmt's hsakmttypes.h); 0 is system memory
_DEVICES_OF_MODE: Final = {2: "DPX", 3: "TPX", 4: "QPX"}
PARTITIONED: Final = {"gfx942", "gfx950"}  # architectures with partition modes; no product of these has a single XCC
_VERSION_PARTS: Final = 3
_RELEASE_DIGITS: Final = {8: 6, 5: 4}  # digits of the release in a version -> those after its major number


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
    if architecture not in PARTITIONED:
        return None
    if mode and re.fullmatch(r"[A-Z]{3}", mode, re.ASCII):
        return None if mode == "SPX" else mode
    if siblings > 1:
        return _DEVICES_OF_MODE.get(siblings, "CPX")
    return "CPX" if xcc == 1 else None


def memory_mode(text: str | None) -> str | None:
    """Return how a card's memory is divided, from current_memory_partition.

    >>> memory_mode("NPS4"), memory_mode("UNKNOWN"), memory_mode(None)
    ('NPS4', None, None)
    """
    return text if text and re.fullmatch(r"NPS[1-8]", text, re.ASCII) else None


def parse_module_version(text: str | None) -> tuple[str | None, str | None]:
    """Return version and release of `/sys/module/amdgpu/version`; None for what it does not tell.

    Real drivers give a fourth part, their release as AABBCCDD or, before 10, as ABBCC.

    >>> parse_module_version("6.19.14.31400000"), parse_module_version("6.12.12.60403"), parse_module_version("6.16.13")
    (('6.19.14', '31.40'), ('6.12.12', '6.4'), ('6.16.13', None))
    """
    parts = (text or "").strip().split(".")
    if not all(part.isascii() and part.isdecimal() for part in parts):
        return None, None
    version, fourth = ".".join(parts[:3]), parts[3] if len(parts) > _VERSION_PARTS else ""
    digits = len(fourth)
    if digits not in _RELEASE_DIGITS:
        return version, None
    major = digits - _RELEASE_DIGITS[digits]
    return version, f"{int(fourth[:major])}.{int(fourth[major : major + 2])}"


def parse_marketing_names(text: str) -> dict[tuple[str, int], str]:
    """Return libdrm's amdgpu.ids by PCI device id (four hex digits) and revision."""
    matches = (_IDS.fullmatch(line.strip()) for line in text.splitlines())
    return {(found[1].lower(), int(found[2], 16)): found[3] for found in matches if found}
