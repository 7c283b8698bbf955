"""The host's own view of the workload while it runs: its process, the GPU memory that this holds, and heat.

The workload's argument carries the run's number, so its process is found on the host by that, also inside a container
of an engine on this machine. A virtual machine, a remote engine or a missing right hide it: then the host cannot tell.
"""

import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec

from provision.compat import Self
from provision.model import GPU_VENDORS, Vendor
from provision.probe import command
from provision.probe.monitor import HostView, Monitor, content
from provision.probe.vendors import PROBES
from provision.probe.wsl import LIBRARIES

SECONDS: Final = 0.5  # between two looks
_PROC: Final = Path("/proc")
MONITORS: Final[Mapping[Vendor, Monitor]] = {
    vendor: monitor for vendor, row in GPU_VENDORS.items() if (monitor := PROBES[row.maker].monitor)
}


def boot_id(proc: Path = _PROC) -> str:
    """Return the running kernel's own number of this boot; empty where it does not tell."""
    return content(proc / "sys" / "kernel" / "random" / "boot_id").decode(errors="replace").strip()


def processes(marker: str, proc: Path = _PROC) -> tuple[int, ...]:
    """Return the processes whose command line holds `marker`."""
    return tuple(int(path.parent.name) for path in proc.glob("[0-9]*/cmdline") if marker.encode() in content(path))


class HostMonitor:
    """Looks for the workload's process until the block ends."""

    def __init__(self, vendor: Vendor, marker: str, *, thermals: bool = False) -> None:
        self._vendor = vendor
        self._source = MONITORS.get(vendor)  # None for the CPU, and where nobody tells
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
        if self._source is None and self._vendor.gpu:
            return HostView(why=f"nothing on this host tells what {self._vendor.maker}'s GPUs do")
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
