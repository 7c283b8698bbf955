"""What nvidia-smi tells on the host while a process works."""

import re
from typing import Final

from provision.probe import command
from provision.probe.monitor import HostView, Monitor

_CSV: Final = "--format=csv,noheader,nounits"
# nvml.h, nvmlClocksEventReasons: those that mean heat or a lack of power. Idle, application clocks, the power cap that
# a busy GPU works at, sync boost and display clocks are no fault.
_REASONS: Final = {
    0x08: "hardware slowdown",
    0x20: "slowed by its driver because of heat",
    0x40: "slowed by its hardware because of heat",
    0x80: "slowed by the power supply",
}


def smi_memory(answer: str) -> dict[int, int]:
    """Return bytes by process from nvidia-smi's `pid, used_gpu_memory` in MiB; without those it does not tell."""
    found: dict[int, int] = {}
    for line in answer.splitlines():
        pid, _, used = (part.strip() for part in line.partition(","))
        if pid.isdecimal() and used.isdecimal():
            found[int(pid)] = found.get(int(pid), 0) + (int(used) << 20)
    return found


def smi_thermals(answer: str) -> HostView:
    """Return what nvidia-smi's lines of temperature and reasons say: "65, 0x0000000000000004"."""
    found = HostView()
    for line in answer.splitlines():
        celsius, _, mask = (part.strip() for part in line.partition(","))
        reasons = int(mask, 16) if re.fullmatch(r"0x[0-9a-fA-F]+", mask) else 0
        slowed = tuple(words for bit, words in _REASONS.items() if reasons & bit)
        found = found.warmer(HostView(celsius=int(celsius) if celsius.isdecimal() else None, slowed=slowed))
    return found


def _smi(tool: str | None, query: str) -> str:
    answer = command.run(tool, query, _CSV) if tool else ""
    return "" if isinstance(answer, command.Failed) else answer


def _smi_memory(pids: tuple[int, ...], tool: str | None) -> dict[int, int]:
    known = smi_memory(_smi(tool, "--query-compute-apps=pid,used_gpu_memory")) if pids else {}
    return {pid: known.get(pid, 0) for pid in pids}


def _smi_thermals(tool: str | None) -> HostView:
    return smi_thermals(_smi(tool, "--query-gpu=temperature.gpu,clocks_throttle_reasons.active"))


MONITOR: Final = Monitor("nvidia-smi", "nvidia-smi", _smi_memory, _smi_thermals)
