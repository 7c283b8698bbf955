"""AMD's GPUs below WSL2, of which no file tells anything: rocminfo tells them through librocdxg, or else Windows."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from provision.catalogue import rows
from provision.model import GPU_VENDORS, Driver, Gpu, Host, Vendor
from provision.model.version import VERSION
from provision.probe import command, findings
from provision.probe.command import Tools
from provision.probe.lookups import Lookups
from provision.probe.parsers import parse_name
from provision.probe.system import DXG

_ROW: Final = Vendor.ROCM.row
_ROCMINFO: Final = ("HSA_ENABLE_DXG_DETECTION=1", "/opt/rocm/bin/rocminfo")  # arguments of env
_WINDOWS: Final = "/mnt/c/Windows/System32/WindowsPowerShell/v1.0"
_SECONDS: Final = 10.0  # PowerShell takes two to start
_LIST: Final = (
    "Get-CimInstance Win32_VideoController | ForEach-Object { $_.PNPDeviceID + '|' + $_.DriverVersion + '|' + $_.Name }"
)
_AGENT: Final = re.compile(r"^\s*Agent \d+\s*$", re.MULTILINE)
_LINE: Final = re.compile(
    rf"PCI\\VEN_{_ROW.pci_vendor}&DEV_(?P<device>[0-9A-F]{{4}})[^|]*\|(?P<version>{VERSION})?[^|]*\|(?P<name>.*)",
    re.IGNORECASE | re.ASCII,
)


def ask_tools(captured: Tools | None, lookups: Lookups) -> Callable[[Host], Host]:
    """Return what adds the GPUs' architectures and names to a host that is WSL2; a capture has kept neither answer."""
    others = any(Path(row.wsl_library).exists() for row in GPU_VENDORS.values() if row is not _ROW)
    if captured or not Path(DXG).exists() or (others and not Path(_ROW.wsl_library).exists()):
        return lambda host: host
    env, shell = command.find("env"), command.find("powershell.exe", _WINDOWS)
    agents = command.run(env, *_ROCMINFO) if env else ""
    words = ("-NoProfile", "-NonInteractive", "-Command", _LIST)
    listed = command.run(shell, *words, seconds=_SECONDS) if shell else ""
    return lambda host: merge(host, lookups, *(one if isinstance(one, str) else "" for one in (agents, listed)))


def merge(host: Host, lookups: Lookups, agents: str, listed: str) -> Host:
    """Return a host with what was told in place of the unnamed GPU, and the version of Windows' driver.

    Args:
        host: any; one that is not WSL2 stays as it is.
        lookups: the chips by device id and by target.
        agents: what rocminfo printed; it counts before Windows, since only what librocdxg takes is in it.
        listed: the lines of Windows' display adapters: PNP device id, version of the driver, name.
    """
    adapters = [found for line in listed.splitlines() if (found := _LINE.fullmatch(line.strip()))]
    told = _agents(agents, lookups) or [_adapter(one, lookups) for one in adapters]
    if not host.wsl or not told:
        return host
    own = host.gpus_of(_ROW.maker)
    if not own:
        return _without_library(host, told)
    gpus = tuple(replace(gpu, nodes=own[0].nodes) for gpu in told)
    others = tuple(gpu for gpu in host.gpus if gpu.vendor != _ROW.maker)
    versions = {line["device"].lower(): (line["version"] or "").lower() for line in adapters}
    cards_first = sorted(gpus, key=lambda gpu: gpu.integrated)  # each may have a driver of its own
    version = next((one for gpu in cards_first if (one := versions.get(gpu.device_id or ""))), None)
    return replace(host, gpus=(*others, *gpus), drivers=tuple(_named(one, version) for one in host.drivers))


def _named(driver: Driver, version: str | None) -> Driver:
    return replace(driver, version=version) if driver.vendor == _ROW.maker else driver


def _without_library(host: Host, told: list[Gpu]) -> Host:
    """Say that it is AMD's library that is missing, where nothing told yet which maker's."""
    general = findings.wsl_without_libraries()
    special = findings.wsl_without_library(_ROW, ", ".join(gpu.name or "a GPU" for gpu in told))
    return replace(host, findings=tuple(special if one == general else one for one in host.findings))


def _agents(text: str, lookups: Lookups) -> list[Gpu]:
    """Return the GPUs among rocminfo's agents."""
    found = []
    for block in _AGENT.split(text)[1:]:
        name = _value(block, "Name")
        if not re.fullmatch(_ROW.architecture, name):
            continue
        device = re.search(r"\(0x([0-9a-f]{1,4})\)", _value(block, "Chip ID"))
        chip = lookups.of(_ROW.maker).targets.get(name)
        found.append(_gpu(name, _value(block, "Marketing Name"), device[1].zfill(4) if device else None, chip))
    return found


def _value(block: str, key: str) -> str:
    """Return the first value of a key in a block of rocminfo's; empty: it is not there."""
    found = re.search(rf"^\s*{key}:[ \t]*(.*?)\s*$", block, re.MULTILINE)
    return found[1] if found else ""


def _adapter(line: re.Match[str], lookups: Lookups) -> Gpu:
    device = line["device"].lower()
    chip = lookups.of(_ROW.maker).chips.get(device)
    return _gpu(chip.target if chip else None, line["name"], device, chip)


def _gpu(target: str | None, name: str, device: str | None, chip: rows.TargetChip | None) -> Gpu:
    return Gpu(
        vendor=_ROW.maker,
        name=parse_name(name),
        architecture=target,
        device_id=device,
        integrated=chip.integrated if chip else False,
    )
