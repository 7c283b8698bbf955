"""NVIDIA's tools: asks NVML or else nvidia-smi, and adds the answer to what the files tell.

Where they disagree the files are believed, but for one thing: an architecture is measured by the driver and only
looked up by PCI device id here, so the tool's is taken as long as both speak of the same GPU.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from provision.model import Driver, Finding, Gpu, Host
from provision.probe import findings, nvidia_findings
from provision.probe.command import Tools
from provision.probe.lookups import Lookups
from provision.probe.nvidia_parsers import ReportedGpu, Slice, architecture
from provision.probe.nvml import ask_nvml
from provision.probe.smi import ToolAnswer, ask_smi
from provision.probe.unusable import driven

_MISMATCH: Final = "KGE-106"


def ask_tools(captured: Tools | None, _: Lookups) -> Callable[[Host], Host]:
    """Return what adds NVML's answer to a host, or nvidia-smi's where NVML is not installed; else the host as it is.

    Of a captured host nvidia-smi alone tells.
    """
    answer = ask_smi(captured) if captured else ask_nvml() or ask_smi()
    return lambda host: merge_tool(host, answer) if answer else host


def merge_tool(host: Host, answer: ToolAnswer) -> Host:
    """Return `host` with names, UUIDs, memory, architectures and MIG devices from a tool's answer.

    A GPU that the files do not show is not added, but reported (KGE-114); only on WSL2, where the PCI bus
    shows nothing, the tool's list replaces the unnamed GPU.
    """
    if answer.failure:
        return _with(host, findings=_failure(host, answer))
    if host.wsl:
        return _with(_on_wsl(host, answer), findings=())
    host = driven(host, {gpu.pci for gpu in answer.gpus if gpu.pci})
    shown = {gpu.pci: gpu for gpu in host.gpus_of("nvidia")}
    by_address = {gpu.pci: gpu for gpu in answer.gpus}
    gpus = [new for gpu in host.gpus for new in _group(host, gpu, by_address)]
    found = [*_conflicts(host, answer, shown, by_address)]
    found += [finding for gpu in answer.gpus for finding in _ill(gpu)]
    return _with(msgspec.structs.replace(host, gpus=tuple(gpus), drivers=_drivers(host, answer)), findings=found)


def _with(host: Host, *, findings: Iterable[Finding]) -> Host:
    return msgspec.structs.replace(host, findings=(*host.findings, *findings))


def _failure(host: Host, answer: ToolAnswer) -> list[Finding]:
    """Report a failure only where an answer was due: with no module loaded the tool cannot answer."""
    driver = host.driver("nvidia")
    if not driver or (answer.mismatch and any(finding.code == _MISMATCH for finding in host.findings)):
        return []
    if answer.mismatch and driver.version:
        return [nvidia_findings.library_mismatch(driver.version, ("of another version",))]
    return [findings.tool_failed(answer.tool, answer.failure)]


def _on_wsl(host: Host, answer: ToolAnswer) -> Host:
    if not answer.gpus or not host.gpus_of("nvidia"):
        return host
    nodes = host.gpus_of("nvidia")[0].nodes
    gpus = tuple(_described(Gpu(vendor="nvidia", nodes=nodes, pci=gpu.pci), gpu) for gpu in answer.gpus)
    others = tuple(gpu for gpu in host.gpus if gpu.vendor != "nvidia")
    return msgspec.structs.replace(host, gpus=gpus + others, drivers=_drivers(host, answer))


def _drivers(host: Host, answer: ToolAnswer) -> tuple[Driver, ...]:
    version = next((gpu.driver for gpu in answer.gpus if gpu.driver), None)
    return tuple(
        msgspec.structs.replace(driver, version=driver.version or version, cuda=answer.cuda)
        if driver.vendor == "nvidia"
        else driver
        for driver in host.drivers
    )


def _group(host: Host, gpu: Gpu, by_address: dict[str | None, ReportedGpu]) -> tuple[Gpu, ...]:
    """Return a GPU enriched; a MIG GPU's slices all together, at the place of the first."""
    reported = by_address.get(gpu.pci)
    if gpu.vendor != "nvidia" or not reported or _another(gpu, reported):
        return (gpu,)
    if not reported.slices:
        return (gpu if gpu.partition else _described(gpu, reported),)
    parts = tuple(other for other in host.gpus if other.vendor == "nvidia" and other.pci == gpu.pci)
    if parts[0] is not gpu:
        return ()
    return tuple(_sliced(_described(gpu, reported), parts, piece) for piece in reported.slices)


def _another(gpu: Gpu, reported: ReportedGpu) -> bool:
    return bool(reported.uuid and gpu.uuid and reported.uuid != gpu.uuid)


def _described(gpu: Gpu, reported: ReportedGpu) -> Gpu:
    return msgspec.structs.replace(
        gpu,
        name=reported.name or gpu.name,
        architecture=architecture(reported.capability) or gpu.architecture,
        uuid=gpu.uuid or reported.uuid,
        memory_bytes=reported.memory_bytes or gpu.memory_bytes,
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


def _ill(gpu: ReportedGpu) -> list[Finding]:
    """Return what a tool alone knows: MIG without instances, memory errors, a reset that is due."""
    health, address = gpu.health, gpu.pci
    if not health or not address:
        return []
    found = []
    if health.mig and not gpu.slices:
        found.append(nvidia_findings.mig_without_instances(address))
    if health.uncorrected:
        found.append(nvidia_findings.memory_errors(address, f"{health.uncorrected} uncorrectable memory errors"))
    if health.remap_pending:
        found.append(nvidia_findings.memory_errors(address, "a row remapping that waits for a reset"))
    return found


def _conflicts(
    host: Host, answer: ToolAnswer, shown: dict[str | None, Gpu], by_address: dict[str | None, ReportedGpu]
) -> list[Finding]:
    texts = [
        f"it lists {gpu.name or 'a GPU'} at {pci}, they do not" for pci, gpu in by_address.items() if pci not in shown
    ]
    driver = host.driver("nvidia")
    versions = sorted({gpu.driver for gpu in answer.gpus if gpu.driver})
    if driver and driver.version and versions and driver.version not in versions:
        texts.append(f"it says driver {', '.join(versions)}, they say {driver.version}")
    for pci, gpu in shown.items():
        texts += _differences(gpu, by_address[pci]) if pci in by_address else []
    missing = [pci for pci, gpu in shown.items() if gpu.kernel_driver == "nvidia" and pci not in by_address]
    texts += [f"they show a GPU at {pci}, it does not" for pci in missing if driver]
    return [findings.disagreement(answer.tool, text) for text in texts]


def _differences(gpu: Gpu, reported: ReportedGpu) -> list[str]:
    if _another(gpu, reported):
        return [f"it says {reported.uuid} for {gpu.pci}, they say {gpu.uuid} (its answer is not used)"]
    theirs = architecture(reported.capability)
    if theirs and gpu.architecture and theirs != gpu.architecture:
        return [f"it says {theirs} for {gpu.pci} (used), the PCI device id stands for {gpu.architecture}"]
    return []
