"""How warm the GPUs are, and what slows them: asked of the host while a soak runs."""

import contextlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from provision.model import Value, Vendor
from provision.probe import command

_DRM: Final = Path("/sys/class/drm")
_QUERY: Final = "--query-gpu=temperature.gpu,clocks_throttle_reasons.active"
# nvml.h, nvmlClocksEventReasons: those that mean heat or a lack of power. Idle, application clocks, the power cap that
# a busy GPU works at, sync boost and display clocks are no fault.
_REASONS: Final = {
    0x08: "hardware slowdown",
    0x20: "slowed by its driver because of heat",
    0x40: "slowed by its hardware because of heat",
    0x80: "slowed by the power supply",
}


class Climate(Value):
    """The hottest moment, and every reason of slowness that was seen."""

    celsius: int | None = None
    slowed: tuple[str, ...] = ()

    def joined(self, other: "Climate") -> "Climate":
        """Return both observations as one."""
        warm = [one for one in (self.celsius, other.celsius) if one is not None]
        slowed = dict.fromkeys((*self.slowed, *other.slowed))
        return Climate(celsius=max(warm, default=None), slowed=tuple(slowed))


def smi_climate(answer: str) -> Climate:
    """Return what nvidia-smi's lines of temperature and reasons say: "65, 0x0000000000000004"."""
    found = Climate()
    for line in answer.splitlines():
        celsius, _, mask = (part.strip() for part in line.partition(","))
        reasons = int(mask, 16) if re.fullmatch(r"0x[0-9a-fA-F]+", mask) else 0
        slowed = tuple(words for bit, words in _REASONS.items() if reasons & bit)
        found = found.joined(Climate(celsius=int(celsius) if celsius.isdecimal() else None, slowed=slowed))
    return found


def hwmon_climate(texts: Iterable[str]) -> Climate:
    """Return the hottest of amdgpu's temp1_input files, which hold thousandths of a degree Celsius."""
    warm = [int(text) // 1000 for text in texts if text.strip().isdecimal()]
    return Climate(celsius=max(warm, default=None))


def look(vendor: Vendor, smi: str | None, drm: Path = _DRM) -> Climate:
    """Return the host's GPUs as they are now; nothing where it cannot tell."""
    if vendor is Vendor.ROCM:
        return hwmon_climate(_texts(drm))
    answer = command.run(smi, _QUERY, "--format=csv,noheader,nounits") if smi else ""
    return Climate() if isinstance(answer, command.Failed) else smi_climate(answer)


def _texts(drm: Path) -> Iterator[str]:
    for path in sorted(drm.glob("card*/device/hwmon/hwmon*/temp1_input")):
        # A GPU that sleeps or is being reset gives an error instead of a number.
        with contextlib.suppress(OSError):
            # Other makers' cards have such a file, too.
            if (path.parent / "name").read_text(errors="replace").strip() == "amdgpu":
                yield path.read_text(errors="replace")
