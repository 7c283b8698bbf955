"""The host's own view of the workload while it runs: which process it is, and what GPU memory that process holds.

The workload's argument carries the run's number, so its process is found on the host by that, also inside a container
of an engine on this machine. A virtual machine, a remote engine or a missing right hide it: then the host cannot tell.
"""

import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec

from provision.compat import Self
from provision.model import Value, Vendor
from provision.probe import command
from provision.probe.wsl import LIBRARIES
from provision.prove.climate import Climate, look

SECONDS: Final = 0.5  # between two looks
_PROC: Final = Path("/proc")
_KFD: Final = Path("/sys/class/kfd/kfd/proc")


class Outside(Value):
    """What the host saw."""

    pid: int | None = None
    held_bytes: int = 0  # the most that was seen
    source: str = ""
    why: str = ""  # why the host cannot tell
    climate: Climate | None = None  # of the GPUs while they soaked; None: not looked at


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


def kfd_memory(pid: int, folder: Path = _KFD) -> int | None:
    """Return the bytes of VRAM that amdgpu's KFD counts for a process, None where it has no such process."""
    files = list((folder / str(pid)).glob("vram_*"))
    counts = [text for path in files if (text := _bytes(path).decode(errors="replace").strip()).isdecimal()]
    return sum(map(int, counts)) if counts else None


class Watch:
    """Looks for the workload's process until the block ends."""

    def __init__(self, vendor: Vendor, marker: str, *, climate: bool = False) -> None:
        self._vendor = vendor
        self._climate = Climate() if climate else None
        self._marker = marker
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._smi = command.find("nvidia-smi", LIBRARIES) if vendor is Vendor.CUDA else None
        self._seen = Outside(source="amdgpu" if vendor is Vendor.ROCM else "nvidia-smi")

    def __enter__(self) -> Self:
        if self._vendor is not Vendor.CPU:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(command.SECONDS)

    def answer(self) -> Outside:
        """Return what was seen so far."""
        return msgspec.structs.replace(self._answer(), climate=self._climate)

    def _answer(self) -> Outside:
        seen = self._seen
        if seen.held_bytes:
            return seen
        if self._vendor is Vendor.CUDA and not self._smi:
            return Outside(why="there is no nvidia-smi on this host to ask")
        if seen.pid is None:
            return Outside(why="the workload's process is not seen from here: another machine, or another user's")
        return seen

    def _look(self) -> None:
        while not self._over.wait(SECONDS):
            if self._climate is not None:
                self._climate = self._climate.joined(look(self._vendor, self._smi))
            for pid, held in self._memory():
                if held >= self._seen.held_bytes:
                    self._seen = Outside(pid=pid, held_bytes=held, source=self._seen.source)

    def _memory(self) -> Iterator[tuple[int, int]]:
        pids = processes(self._marker)
        if self._vendor is Vendor.ROCM:
            yield from ((pid, kfd_memory(pid) or 0) for pid in pids)
            return
        known = self._ask() if pids else {}
        yield from ((pid, known.get(pid, 0)) for pid in pids)

    def _ask(self) -> dict[int, int]:
        if not self._smi:
            return {}
        query = "--query-compute-apps=pid,used_gpu_memory"
        answer = command.run(self._smi, query, "--format=csv,noheader,nounits")
        return {} if isinstance(answer, command.Failed) else smi_memory(answer)
