"""AMD from files alone: the amdgpu module, KFD's GPU nodes, and GPUs that only the PCI bus shows."""

import os
from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal

from provision.model import DeviceNode, Driver, Finding, Gpu, Vendor
from provision.probe import amd_findings, amd_wsl, findings
from provision.probe.amd_labels import amd_labels
from provision.probe.amd_monitor import MONITOR
from provision.probe.amd_parsers import (
    compute_units,
    device_uuid,
    gfx_name,
    is_gpu,
    memory_mode,
    parse_driver_version,
    parse_marketing_names,
    parse_module_version,
    parse_properties,
    partition_name,
    pci_address,
    vram_bytes,
)
from provision.probe.amd_unusable import why_unusable
from provision.probe.lookups import Lookups
from provision.probe.parsers import parse_hex_id, parse_name
from provision.probe.pci import DEVICES, PciGpu
from provision.probe.reader import Reader
from provision.probe.system import kernel
from provision.probe.unusable import marked
from provision.probe.vendor_probe import VendorPart, VendorProbe

_ROW: Final = Vendor.ROCM.row
_MODULE: Final = "/sys/module/amdgpu"
_NODES: Final = "/sys/class/kfd/kfd/topology/nodes"
_KFD: Final = "/dev/kfd"
# libdrm's list of product names, where the distribution or AMD's driver package put it.
_NAMES: Final = ("/usr/share/libdrm/amdgpu.ids", "/opt/amdgpu/share/libdrm/amdgpu.ids")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    """A KFD node of a GPU; `pci` is its own address, `physical` that of the function on the bus."""

    number: str
    properties: dict[str, int]
    pci: str
    physical: str


def probe_amd(reader: Reader, pci: tuple[PciGpu, ...], lookups: Lookups) -> VendorPart:
    """Return the AMD part of a host; `pci` are its AMD functions on the bus."""
    driver = _driver(reader, lookups)
    nodes = _kfd_nodes(reader, pci)
    names = _marketing_names(reader) if nodes or pci else {}
    computing = {node.physical for node in nodes}
    others = [gpu for gpu in pci if gpu.address not in computing]
    release = kernel(reader)
    reasons = {
        gpu.address: why_unusable(gpu, lookups.of(_ROW.maker).chips.get(gpu.device), driver, release) for gpu in others
    }
    gpus = [_gpu(reader, node, nodes, names, lookups) for node in nodes]
    bare = [marked(_bare(reader, gpu, names, lookups), reasons[gpu.address]) for gpu in others]
    return VendorPart(
        gpus=tuple(sorted(gpus + bare, key=lambda gpu: gpu.pci or "")),
        driver=driver,
        nodes=reader.nodes(_KFD),
        unusable=reasons,
        findings=(
            *(_driver_findings(reader, driver, computes=bool(nodes)) if nodes or pci else ()),
            *(_node_findings(reader, nodes, gpus) if nodes else ()),
        ),
    )


def serves_wsl(reader: Reader) -> bool:
    """Tell whether AMD's bridge to Windows' driver is there, which the user installs (facts: amd.md, section 4f)."""
    return reader.exists(_ROW.wsl_library)


def _driver(reader: Reader, lookups: Lookups) -> Driver | None:
    if not reader.exists(_MODULE):
        return None
    state = reader.line(f"{_MODULE}/initstate")  # absent when amdgpu is built into the kernel
    if state not in {None, "live"}:
        return None
    told = reader.line(f"{_MODULE}/version")
    version, release = parse_module_version(parse_driver_version(told or ""))
    flavour: Literal["dkms", "inbox"] = "dkms" if told else "inbox"
    release = release or lookups.of(_ROW.maker).releases.get(version or "")
    return Driver(vendor="amd", version=version, release=release, flavour=flavour)


def _driver_findings(reader: Reader, driver: Driver | None, *, computes: bool) -> list[Finding]:
    if not driver:
        return []
    if driver.flavour == "inbox":
        return [amd_findings.inbox_amdgpu()] if computes else []
    return [] if driver.release else [amd_findings.unknown_amdgpu(reader.line(f"{_MODULE}/version") or "")]


def _kfd_nodes(reader: Reader, pci: tuple[PciGpu, ...]) -> tuple[_Node, ...]:
    reader.looked_at.append(_NODES)
    addresses = [gpu.address for gpu in pci]
    nodes = []
    for name in sorted((name for name in reader.names(_NODES) if name.isdecimal()), key=int):
        properties = parse_properties(reader.text(f"{_NODES}/{name}/properties") or "")
        if is_gpu(properties):
            own = pci_address(properties)
            nodes.append(_Node(number=name, properties=properties, pci=own, physical=_physical(own, addresses)))
    return tuple(nodes)


def _physical(address: str, on_bus: list[str]) -> str:
    """Return the function on the bus that a node belongs to: a partition's own function number is made up."""
    if address in on_bus:
        return address
    device = address.partition(".")[0]
    return next((other for other in on_bus if other.partition(".")[0] == device), f"{device}.0")


def _gpu(
    reader: Reader, node: _Node, nodes: tuple[_Node, ...], names: dict[tuple[str, int], str], lookups: Lookups
) -> Gpu:
    properties = node.properties
    device = f"{properties.get('device_id', 0):04x}"
    told = gfx_name(properties.get("gfx_target_version", 0))
    chip = lookups.of(_ROW.maker).targets.get(told) if told else lookups.of(_ROW.maker).chips.get(device)
    target = told or (chip.target if chip else None)
    siblings = Counter(other.physical for other in nodes)[node.physical]
    mode = reader.line(f"{DEVICES}/{node.physical}/current_compute_partition")
    return Gpu(
        vendor="amd",
        name=_name(reader, node.physical, device, names),
        architecture=target,
        uuid=device_uuid(properties),
        pci=node.physical,
        device_id=device if properties.get("device_id") else None,
        memory_bytes=_memory(reader, node),
        partition=partition_name(mode, siblings, target, properties.get("num_xcc", 0)),
        memory_partition=memory_mode(reader.line(f"{DEVICES}/{node.physical}/current_memory_partition")),
        kernel_driver="amdgpu",
        kfd_node=int(node.number),
        # Without a row, CPU cores in the node tell an APU; MI300A has them as well and is none.
        integrated=chip.integrated if chip else properties.get("cpu_cores_count", 0) > 0,
        compute_units=compute_units(properties),
        clock_mhz=properties.get("max_engine_clk_fcompute") or None,
        nodes=_render_node(reader, properties),
    )


def _memory(reader: Reader, node: _Node) -> int | None:
    folder = f"{_NODES}/{node.number}/mem_banks"
    banks = [parse_properties(reader.text(f"{folder}/{bank}/properties") or "") for bank in reader.names(folder)]
    # Old kernels fill local_mem_size; new ones leave it 0.
    return vram_bytes(banks) or node.properties.get("local_mem_size") or None


def _render_node(reader: Reader, properties: dict[str, int]) -> tuple[DeviceNode, ...]:
    minor = properties.get("drm_render_minor", 0)
    return reader.nodes(f"/dev/dri/renderD{minor}") if minor else ()


def _bare(reader: Reader, gpu: PciGpu, names: dict[tuple[str, int], str], lookups: Lookups) -> Gpu:
    """Return a GPU that only the bus shows."""
    chip = lookups.of(_ROW.maker).chips.get(gpu.device)
    return Gpu(
        vendor="amd",
        name=_name(reader, gpu.address, gpu.device, names),
        architecture=chip.target if chip else None,
        pci=gpu.address,
        device_id=gpu.device or None,
        kernel_driver=gpu.driver,
        integrated=chip.integrated if chip else False,
    )


def _name(reader: Reader, address: str, device: str, names: dict[tuple[str, int], str]) -> str | None:
    """Return the product's name from the board's own memory, or from libdrm's list by device and revision."""
    name = parse_name(reader.text(f"{DEVICES}/{address}/product_name"))
    if name:
        return name
    revision = (reader.line(f"{DEVICES}/{address}/revision") or "").removeprefix("0x")
    padded = parse_hex_id(f"0x{revision.zfill(4)}")
    return names.get((device, int(padded, 16))) if padded else None


def _marketing_names(reader: Reader) -> dict[tuple[str, int], str]:
    text = next((text for path in _NAMES if (text := reader.text(path))), "")
    return parse_marketing_names(text)


def _node_findings(reader: Reader, nodes: tuple[_Node, ...], gpus: list[Gpu]) -> list[Finding]:
    found = []
    kfd = reader.node(_KFD)
    if not kfd:
        found.append(findings.node_missing(_KFD, "See dmesg for kfd; a container must be given the node."))
    untold = {node.physical for node in nodes if not node.properties.get("gfx_target_version")}
    if untold:
        targets = sorted({gpu.architecture for gpu in gpus if gpu.pci in untold and gpu.architecture})
        found.append(amd_findings.old_kfd(", ".join(sorted(untold)), ", ".join(targets)))
    paths = [node.path for node in ([kfd] if kfd else []) + [node for gpu in gpus for node in gpu.nodes]]
    closed = [path for path in paths if not os.access(path, os.R_OK | os.W_OK)] if reader.live else []
    if closed:
        found.append(findings.node_closed(", ".join(closed)))
    return found


PROBE: Final = VendorProbe(probe_amd, serves_wsl, amd_wsl.ask_tools, MONITOR, amd_labels)
