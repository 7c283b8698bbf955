"""The host's own view of the workload while it runs: its process, the GPU memory that this holds, and heat.

The workload's argument carries the run's number, so its process is found on the host by that, also inside a container
of an engine on this machine. A virtual machine, a remote engine or a missing right hide it: then the host cannot tell.
"""

import contextlib
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple

import msgspec

from provision.compat import Self
from provision.model import GPU_VENDORS, Value, Vendor
from provision.model.complete import complete
from provision.probe import command
from provision.probe.wsl import LIBRARIES

SECONDS: Final = 0.5  # between two looks
_PROC: Final = Path("/proc")
_KFD: Final = Path("/sys/class/kfd/kfd/proc")
_DRM: Final = Path("/sys/class/drm")
_CSV: Final = "--format=csv,noheader,nounits"
# nvml.h, nvmlClocksEventReasons: those that mean heat or a lack of power. Idle, application clocks, the power cap that
# a busy GPU works at, sync boost and display clocks are no fault.
_REASONS: Final = {
    0x08: "hardware slowdown",
    0x20: "slowed by its driver because of heat",
    0x40: "slowed by its hardware because of heat",
    0x80: "slowed by the power supply",
}


def boot_id(proc: Path = _PROC) -> str:
    """Return the running kernel's own number of this boot; empty where it does not tell."""
    return _bytes(proc / "sys" / "kernel" / "random" / "boot_id").decode(errors="replace").strip()


class HostView(Value):
    """What the host saw."""

    pid: int | None = None
    held_bytes: int = 0  # the most that was seen
    source: str = ""
    why: str = ""  # why the host cannot tell
    celsius: int | None = None  # the hottest moment of its GPUs while they soaked; None: not known
    slowed: tuple[str, ...] = ()  # every reason of slowness that was seen meanwhile

    def warmer(self, other: "HostView") -> "HostView":
        """Return this view with the heat of both."""
        warm = [one for one in (self.celsius, other.celsius) if one is not None]
        slowed = tuple(dict.fromkeys((*self.slowed, *other.slowed)))
        return msgspec.structs.replace(self, celsius=max(warm, default=None), slowed=slowed)


class Source(NamedTuple):
    """Who tells about a maker's GPUs on the host. `tool` is its path, None where there is none."""

    name: str
    tool: str  # what is started; empty where the kernel's files tell
    memory: Callable[[tuple[int, ...], str | None], dict[int, int]]  # bytes by process, of the processes that are given
    thermals: Callable[[str | None], HostView]  # of this moment


def processes(marker: str, proc: Path = _PROC) -> tuple[int, ...]:
    """Return the processes whose command line holds `marker`."""
    return tuple(int(path.parent.name) for path in proc.glob("[0-9]*/cmdline") if marker.encode() in _bytes(path))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it ended in between, or is another user's
        return b""


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


def kfd_memory(pid: int, folder: Path = _KFD) -> int | None:
    """Return the bytes of VRAM that amdgpu's KFD counts for a process, None where it has no such process."""
    files = list((folder / str(pid)).glob("vram_*"))
    counts = [text for path in files if (text := _bytes(path).decode(errors="replace").strip()).isdecimal()]
    return sum(map(int, counts)) if counts else None


def _kfd_memory(pids: tuple[int, ...], _tool: str | None) -> dict[int, int]:
    return {pid: kfd_memory(pid) or 0 for pid in pids}


def hwmon_thermals(texts: Iterable[str]) -> HostView:
    """Return the hottest of amdgpu's temp1_input files, which hold thousandths of a degree Celsius."""
    warm = [int(text) // 1000 for text in texts if text.strip().isdecimal()]
    return HostView(celsius=max(warm, default=None))


def hwmon_texts(drm: Path = _DRM) -> Iterator[str]:
    """Yield the contents of amdgpu's temp1_input files."""
    for path in sorted(drm.glob("card*/device/hwmon/hwmon*/temp1_input")):
        # A GPU that sleeps or is being reset gives an error instead of a number.
        with contextlib.suppress(OSError):
            # Other makers' cards have such a file, too.
            if (path.parent / "name").read_text(errors="replace").strip() == "amdgpu":
                yield path.read_text(errors="replace")


def _hwmon_thermals(_tool: str | None) -> HostView:
    return hwmon_thermals(hwmon_texts())


SOURCES: Final[Mapping[Vendor, Source]] = complete(
    "who tells about GPUs on the host",
    {
        Vendor.CUDA: Source("nvidia-smi", "nvidia-smi", _smi_memory, _smi_thermals),
        Vendor.ROCM: Source("amdgpu", "", _kfd_memory, _hwmon_thermals),
    },
    GPU_VENDORS,
)


class HostMonitor:
    """Looks for the workload's process until the block ends."""

    def __init__(self, vendor: Vendor, marker: str, *, thermals: bool = False) -> None:
        self._source = SOURCES.get(vendor)  # None for the CPU
        self._tool = command.find(self._source.tool, LIBRARIES) if self._source and self._source.tool else None
        self._thermals = thermals
        self._marker = marker
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._seen = HostView(source=self._source.name if self._source else "")

    def __enter__(self) -> Self:
        if self._source:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(command.SECONDS)

    def answer(self) -> HostView:
        """Return what was seen so far."""
        return self._answer().warmer(self._seen)

    def _answer(self) -> HostView:
        seen = self._seen
        if seen.held_bytes:
            return seen
        if self._source and self._source.tool and not self._tool:
            return HostView(why=f"there is no {self._source.tool} on this host to ask")
        if seen.pid is None:
            return HostView(why="the workload's process is not seen from here: another machine, or another user's")
        return seen

    def _look(self) -> None:
        source = self._source
        while source and not self._over.wait(SECONDS):
            if self._thermals:
                self._seen = self._seen.warmer(source.thermals(self._tool))
            for pid, held in source.memory(processes(self._marker), self._tool).items():
                if held >= self._seen.held_bytes:
                    self._seen = msgspec.structs.replace(self._seen, pid=pid, held_bytes=held)
