"""What amdgpu's files tell on the host while a process works."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from provision.probe.monitor import HostView, Monitor, content

_KFD: Final = Path("/sys/class/kfd/kfd/proc")
_DRM: Final = Path("/sys/class/drm")


def kfd_memory(pid: int, folder: Path = _KFD) -> int | None:
    """Return the bytes of VRAM that amdgpu's KFD counts for a process, None where it has no such process."""
    files = list((folder / str(pid)).glob("vram_*"))
    counts = [text for path in files if (text := content(path).decode(errors="replace").strip()).isdecimal()]
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


MONITOR: Final = Monitor("amdgpu", "", _kfd_memory, _hwmon_thermals)
