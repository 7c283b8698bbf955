"""The machine around the GPUs: kernel, distribution, architecture, WSL2, Tegra, container toolkits."""

import platform
from typing import Final

from provision.model import Toolkit
from provision.probe.parsers import parse_os_release
from provision.probe.reader import Reader

BINARIES: Final = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
DXG: Final = "/dev/dxg"
_TOOLKITS: Final = {
    "nvidia-ctk": "nvidia-container-toolkit",
    "nvidia-container-runtime": "nvidia-container-runtime",
    "amd-ctk": "amd-container-toolkit",
}


def kernel(reader: Reader) -> str | None:
    """Return the kernel's release, as `uname -r` prints it."""
    return reader.line("/proc/sys/kernel/osrelease")


def distribution(reader: Reader) -> str | None:
    """Return ID and VERSION_ID of os-release, "debian 12"."""
    text = reader.text("/etc/os-release")
    return parse_os_release(text if text is not None else reader.text("/usr/lib/os-release") or "")


def architecture(reader: Reader, hint: str | None = None) -> str:
    """Return the machine as `uname -m` prints it.

    A captured tree tells it by /proc/sys/kernel/arch (Linux 6.1), by `hint` (the NVIDIA module's own text),
    or by its library directory; otherwise it is taken for x86_64.
    """
    if reader.live:
        return platform.machine()
    told = reader.line("/proc/sys/kernel/arch") or hint
    if told:
        return told
    return "aarch64" if reader.exists("/usr/lib/aarch64-linux-gnu") else "x86_64"


def is_wsl(reader: Reader) -> bool:
    """Tell WSL2 from other kernels that Microsoft builds: they neither say so nor have /dev/dxg."""
    reader.looked_at.append(DXG)
    version = (reader.text("/proc/version") or "").lower()
    return "microsoft" in version and ("wsl" in version or reader.exists(DXG))


def is_tegra(reader: Reader) -> bool:
    """Tell a Jetson as NVIDIA's container toolkit does."""
    family = reader.text("/sys/devices/soc0/family") or ""
    return reader.exists("/etc/nv_tegra_release") or family.strip().lower().startswith("tegra")


def toolkits(reader: Reader, folders: tuple[str, ...] = BINARIES) -> tuple[Toolkit, ...]:
    """Return the container toolkits in `folders`, the first place of each; files tell no versions."""
    found: dict[str, Toolkit] = {}
    for tool, name in _TOOLKITS.items():
        paths = (f"{folder}/{tool}" for folder in folders)
        path = next((path for path in paths if reader.exists(path)), None)
        if path:
            found[name] = Toolkit(name=name, path=path)
    return tuple(found.values())
