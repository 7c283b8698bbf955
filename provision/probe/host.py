"""Puts a host together: files first, then what the vendors' tools add, the engine beside them."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec

from provision.errors import KgpuError
from provision.model import GPU_VENDORS, Engine, Finding, GpuVendor, Host, Maker, Toolkit
from provision.probe import command, findings, system, unusable
from provision.probe.answers import answers_of
from provision.probe.causes import find_causes, guest
from provision.probe.cdi import read_cdi
from provision.probe.engine_place import place_findings
from provision.probe.lookups import Lookups
from provision.probe.parsers import parse_tool_version
from provision.probe.pci import PciGpu, pci_gpus
from provision.probe.reader import Reader, Touch
from provision.probe.vendor_probe import VendorPart
from provision.probe.vendors import PROBES
from provision.probe.wsl import probe_wsl

_ROOT: Final = Path("/")
_DEVICES: Final = "/sys"  # the kernel shows all devices there
_LISTS_DEVICES: Final = (1, 50)  # the Engine API that lists the CDI devices it knows (facts: nvidia.md, section 5a)


def probe_files(root: Path, lookups: Lookups, touched: dict[str, Touch] | None = None) -> Host:
    """Return the host whose file system lies below `root`, from files alone; no tool is run.

    Args:
        root: `/` for this machine, or the top of a captured or mounted tree. Device nodes of a captured tree may
            be listed in its `dev/.nodes` (lines of path, octal mode, numeric gid).
        lookups: lookups from the catalogue.
        touched: gets every path that was asked for, as `Reader.touched`.

    Raises:
        InputError: KGE-119, `root` is not the tree of a host.
    """
    if not any((root / name).is_dir() for name in ("proc", "sys", "dev")):
        raise findings.not_a_host(str(root))
    reader = Reader(root, touched)
    on_bus = pci_gpus(reader)
    wsl = system.is_wsl(reader)
    parts = (
        *(probe.files(reader, _of(maker, on_bus), lookups) for maker, probe in PROBES.items()),
        *(probe_wsl(reader, {maker: probe.serves_wsl for maker, probe in PROBES.items()}) if wsl else ()),
    )
    hint = next((part.machine for part in parts if part.machine), None)
    folders = (*system.TOOLKITS, *_path_folders()) if reader.live else system.TOOLKITS
    host = Host(
        gpus=tuple(gpu for part in parts for gpu in part.gpus),
        drivers=tuple(part.driver for part in parts if part.driver),
        wsl=wsl,
        toolkits=system.toolkits(reader, folders),
        nodes=tuple(node for part in parts for node in part.nodes),
        architecture=system.architecture(reader, hint),
        kernel=system.kernel(reader),
        distribution=system.distribution(reader),
        podman=system.expects_podman(reader),
        selinux=system.selinux(reader),
        looked_at=tuple(reader.looked_at),
    )
    host = msgspec.structs.replace(host, findings=_findings(reader, host, parts))
    host = unusable.not_handed_in(host, guest.kind(reader))
    return unusable.with_causes(host, find_causes(reader, host, on_bus, lookups))


def _of(maker: Maker, on_bus: tuple[PciGpu, ...]) -> tuple[PciGpu, ...]:
    return tuple(gpu for gpu in on_bus if gpu.vendor == maker)


def _path_folders() -> tuple[str, ...]:
    return tuple(folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder.startswith("/"))


def _findings(reader: Reader, host: Host, parts: tuple[VendorPart, ...]) -> tuple[Finding, ...]:
    found = [one for part in parts for one in (*unusable.findings_of(host, part.unusable), *part.findings)]
    found += [findings.no_toolkit(row) for row in GPU_VENDORS.values() if _lacks_toolkit(reader, host, row)]
    if not host.gpus and not host.wsl and not any(part.off_bus for part in parts):
        found.append(_no_gpu(reader))
    return tuple(dict.fromkeys([*found, *reader.findings]))


def _no_gpu(reader: Reader) -> Finding:
    """Return that there is no GPU, where all places could be looked at."""
    if not reader.names(_DEVICES):
        return findings.without(_DEVICES)
    hidden = any(place in finding.text for finding in reader.findings for place in reader.looked_at)
    return findings.cannot_tell() if hidden else findings.no_gpu(reader.looked_at)


def _lacks_toolkit(reader: Reader, host: Host, row: GpuVendor) -> bool:
    """Tell whether nothing hands a maker's GPUs to containers; those that come as device nodes need nothing."""
    if row.access != "runtime" or not host.gpus_of(row.maker):
        return False
    if any(toolkit.name in row.toolkit_programs.values() for toolkit in host.toolkits):
        return False
    if row.plugin_folder and reader.exists(row.plugin_folder):
        return False
    domain = row.cdi_kind.partition("/")[0]
    return not any(name.startswith(f"{domain}/") for name in read_cdi(reader))


def probe_host(lookups: Lookups, root: Path | None = None, engine: Callable[[], Engine | None] | None = None) -> Host:
    """Return this machine, or the one whose tree lies below `root`.

    This machine's files are supplemented by the vendors' tools (NVML or else nvidia-smi), by the versions of container
    toolkits and by the container engine, each within a time limit; what fails is a finding of the host.

    Args:
        lookups: lookups from the catalogue.
        root: the top of another machine's tree. Neither tools nor engine of this machine are asked then.
        engine: asks the container engine; None when none answers. A KgpuError of it becomes a finding.

    Raises:
        InputError: KGE-119, `root` is not the tree of a host.
    """
    if root is not None and root.resolve() != _ROOT:
        return probe_captured(root, lookups)
    tools = [probe.tools for probe in PROBES.values() if probe.tools]
    with ThreadPoolExecutor(max_workers=1 + len(tools)) as pool:
        answer = pool.submit(_ask_engine, engine)
        answers = [pool.submit(ask, None, lookups) for ask in tools]
        host = probe_files(_ROOT, lookups)
        for merge in answers:
            host = merge.result()(host)
        known, failed = answer.result()
    return msgspec.structs.replace(
        host,
        engine=known,
        toolkits=tuple(_with_version(toolkit, command) for toolkit in host.toolkits),
        findings=(*_of_engine(host, known), *failed),
    )


def probe_captured(root: Path, lookups: Lookups) -> Host:
    """Return the host of a captured tree: from its files, and from what tools said when it was captured.

    Raises:
        InputError: KGE-119, `root` is not the tree of a host.
    """
    host = probe_files(root, lookups)
    said = None if root.resolve() == _ROOT else answers_of(root)
    if said is None:
        return host
    for probe in PROBES.values():
        host = probe.tools(said, lookups)(host) if probe.tools else host
    return msgspec.structs.replace(host, toolkits=tuple(_with_version(toolkit, said) for toolkit in host.toolkits))


def _ask_engine(engine: Callable[[], Engine | None] | None) -> tuple[Engine | None, tuple[Finding, ...]]:
    try:
        known = engine() if engine else None
    except KgpuError as error:
        return None, (findings.engine_failed(error.code, error.text, error.cause, error.fix),)
    return (_with_cdi(known) if known else None), ()


def _of_engine(host: Host, engine: Engine | None) -> tuple[Finding, ...]:
    """Return the findings with what the engine itself tells of its place, instead of what files let one think."""
    told = place_findings(host, engine) if engine else ()
    return (*(one for one in host.findings if not told or one.code != told[0].code), *told)


def _with_cdi(engine: Engine) -> Engine:
    """Return a local engine too old to list CDI devices with those that its specification directories hold.

    One with a file system of its own has other directories of these names.
    """
    if engine.own_files:
        return engine
    numbers = tuple(int(part) for part in engine.api_version.split(".") if part.isdecimal())
    if engine.cdi or not engine.cdi_dirs or not engine.address.startswith("unix:") or numbers >= _LISTS_DEVICES:
        return engine
    return msgspec.structs.replace(engine, cdi=read_cdi(Reader(_ROOT), engine.cdi_dirs))


def _with_version(toolkit: Toolkit, tools: command.Tools) -> Toolkit:
    if not toolkit.path.endswith("-ctk"):
        return toolkit
    answer = tools.run(toolkit.path, "--version")
    version = None if isinstance(answer, command.Failed) else parse_tool_version(answer)
    return msgspec.structs.replace(toolkit, version=version)
