"""Pure readers for small texts that all vendors share: text in, value out, nothing raised."""

import re
from collections.abc import Iterator

from provision.model import DeviceNode

_PCI = re.compile(r"(?:([0-9a-f]{1,8}):)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])", re.ASCII | re.IGNORECASE)
_NODE = re.compile(r"(/\S+)\s+([0-7]{1,4})\s+(\d{1,10})", re.ASCII)
_SHELL = re.compile(r"([A-Z_]+)=(\"?'?)(.*?)\2\s*", re.ASCII)


def parse_pci(text: str) -> str | None:
    """Return a PCI address in sysfs' form, `0000:17:00.0`, or None; nvidia-smi prints `00000000:17:00.0`."""
    found = _PCI.fullmatch(text.strip())
    if not found:
        return None
    domain, bus, device, function = found.groups()
    return f"{int(domain or '0', 16):04x}:{bus}:{device}.{function}".lower()


def parse_hex_id(text: str | None) -> str | None:
    """Return sysfs' `0x2330` as `2330`, or None when it is no 16-bit number."""
    found = re.fullmatch(r"0x([0-9a-fA-F]{4})", (text or "").strip(), re.ASCII)
    return found[1].lower() if found else None


def parse_name(text: str | None) -> str | None:
    """Return a product's name, or None for what is none: nothing, or signs that no screen shows (a file of NULs)."""
    name = (text or "").strip()
    return name if name and name.isprintable() else None


def parse_pairs(text: str) -> dict[str, str]:
    """Return `Key: value` lines as a mapping, split at the first colon; lines without one are left out."""
    return dict(_pairs(text))


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon and key.strip():
            yield key.strip(), value.strip()


def parse_nodes(text: str) -> dict[str, DeviceNode]:
    """Return the device nodes of a tree's `dev/.nodes`: lines of path, octal mode and numeric gid."""
    matches = (_NODE.fullmatch(line.strip()) for line in text.splitlines())
    return {m[1]: DeviceNode(path=m[1], mode=int(m[2], 8), gid=int(m[3])) for m in matches if m}


def parse_os_release(text: str) -> str | None:
    """Return ID and VERSION_ID of an os-release file, "debian 12", or None when it has no ID."""
    fields = read_os_release(text)
    name = " ".join(part for part in (fields.get("ID", ""), fields.get("VERSION_ID", "")) if part)
    return name if fields.get("ID") else None


def read_os_release(text: str) -> dict[str, str]:
    """Return the fields of an os-release file, without quotes."""
    matches = (_SHELL.fullmatch(line.strip()) for line in text.splitlines())
    return {m[1]: m[3] for m in matches if m}


def parse_tool_version(text: str) -> str | None:
    """Return the first dotted version of what a tool's `--version` prints, or None."""
    found = re.search(r"\b\d{1,5}(?:\.\d{1,5}){1,3}\b", text, re.ASCII)
    return found[0] if found else None
