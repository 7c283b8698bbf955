"""Adds what NVML or nvidia-smi told to what the files told. Pure.

Where they disagree the files are believed, but for one thing: an architecture is measured by the driver and only
looked up by PCI device id here, so the tool's is taken as long as both speak of the same GPU.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from provision.model import Driver, Finding, Gpu, Host
from provision.probe import findings
from provision.probe.nvidia import architecture
from provision.probe.nvidia_parsers import SeenGpu, Slice
from provision.probe.smi import Seen

_MISMATCH: Final = "KGE-106"


def merge_tool(host: Host, seen: Seen) -> Host:
    """Return `host` with names, UUIDs, memory, architectures and MIG devices from a tool's answer.

    A GPU that the files do not show is not added, but reported (KGE-114); only on WSL2, where the PCI bus
    shows nothing, the tool's list replaces the unnamed GPU.
    """
    if seen.failure:
        return _with(host, findings=_failure(host, seen))
    if host.wsl:
        return _with(_on_wsl(host, seen), findings=())
    shown = {gpu.pci: gpu for gpu in host.gpus_of("nvidia")}
    told = {gpu.pci: gpu for gpu in seen.gpus}
    gpus = [new for gpu in host.gpus for new in _group(host, gpu, told)]
    found = [*_conflicts(host, seen, shown, told)]
    return _with(msgspec.structs.replace(host, gpus=tuple(gpus), drivers=_drivers(host, seen)), findings=found)


def _with(host: Host, *, findings: Iterable[Finding]) -> Host:
    return msgspec.structs.replace(host, findings=(*host.findings, *findings))


def _failure(host: Host, seen: Seen) -> list[Finding]:
    """Report a failure only where an answer was due: with no module loaded the tool cannot answer."""
    driver = host.driver("nvidia")
    if not driver or (seen.mismatch and any(finding.code == _MISMATCH for finding in host.findings)):
        return []
    if seen.mismatch and driver.version:
        return [findings.library_mismatch(driver.version, ("of another version",))]
    return [findings.tool_failed(seen.tool, seen.failure)]


def _on_wsl(host: Host, seen: Seen) -> Host:
    if not seen.gpus or not host.gpus_of("nvidia"):
        return host
    nodes = host.gpus_of("nvidia")[0].nodes
    gpus = tuple(_told(Gpu(vendor="nvidia", nodes=nodes, pci=gpu.pci), gpu) for gpu in seen.gpus)
    others = tuple(gpu for gpu in host.gpus if gpu.vendor != "nvidia")
    return msgspec.structs.replace(host, gpus=gpus + others, drivers=_drivers(host, seen))


def _drivers(host: Host, seen: Seen) -> tuple[Driver, ...]:
    version = next((gpu.driver for gpu in seen.gpus if gpu.driver), None)
    return tuple(
        msgspec.structs.replace(driver, version=driver.version or version, cuda=seen.cuda)
        if driver.vendor == "nvidia"
        else driver
        for driver in host.drivers
    )


def _group(host: Host, gpu: Gpu, told: dict[str | None, SeenGpu]) -> tuple[Gpu, ...]:
    """Return a GPU enriched; a MIG GPU's slices all together, at the place of the first."""
    seen = told.get(gpu.pci)
    if gpu.vendor != "nvidia" or not seen or _another(gpu, seen):
        return (gpu,)
    if not seen.slices:
        return (gpu if gpu.partition else _told(gpu, seen),)
    parts = tuple(other for other in host.gpus if other.vendor == "nvidia" and other.pci == gpu.pci)
    if parts[0] is not gpu:
        return ()
    return tuple(_sliced(_told(gpu, seen), parts, piece) for piece in seen.slices)


def _another(gpu: Gpu, seen: SeenGpu) -> bool:
    return bool(seen.uuid and gpu.uuid and seen.uuid != gpu.uuid)


def _told(gpu: Gpu, seen: SeenGpu) -> Gpu:
    return msgspec.structs.replace(
        gpu,
        name=seen.name or gpu.name,
        architecture=architecture(seen.capability) or gpu.architecture,
        uuid=gpu.uuid or seen.uuid,
        memory_bytes=seen.memory_bytes or gpu.memory_bytes,
    )


def _sliced(whole: Gpu, parts: tuple[Gpu, ...], piece: Slice) -> Gpu:
    """Return one MIG device; its capability nodes are those of the files' instance, where the tool names it."""
    instance = f"gi{piece.instance[0]}/ci{piece.instance[1]}" if piece.instance else None
    own = next((part.nodes for part in parts if part.partition == instance), None)
    return msgspec.structs.replace(
        whole,
        uuid=piece.uuid,
        memory_bytes=piece.memory_bytes,
        partition=piece.profile,
        nodes=whole.nodes[:1] if own is None else own,
    )


def _conflicts(host: Host, seen: Seen, shown: dict[str | None, Gpu], told: dict[str | None, SeenGpu]) -> list[Finding]:
    texts = [f"it lists {gpu.name or 'a GPU'} at {pci}, they do not" for pci, gpu in told.items() if pci not in shown]
    driver = host.driver("nvidia")
    versions = sorted({gpu.driver for gpu in seen.gpus if gpu.driver})
    if driver and driver.version and versions and driver.version not in versions:
        texts.append(f"it says driver {', '.join(versions)}, they say {driver.version}")
    for pci, gpu in shown.items():
        texts += _differences(gpu, told[pci]) if pci in told else []
    missing = [pci for pci, gpu in shown.items() if gpu.kernel_driver == "nvidia" and pci not in told]
    texts += [f"they show a GPU at {pci}, it does not" for pci in missing if driver]
    return [findings.disagreement(seen.tool, text) for text in texts]


def _differences(gpu: Gpu, seen: SeenGpu) -> list[str]:
    if _another(gpu, seen):
        return [f"it says {seen.uuid} for {gpu.pci}, they say {gpu.uuid} (its answer is not used)"]
    theirs = architecture(seen.capability)
    if theirs and gpu.architecture and theirs != gpu.architecture:
        return [f"it says {theirs} for {gpu.pci} (used), the PCI device id stands for {gpu.architecture}"]
    return []
