"""The machine around the GPUs: kernel, distribution, architecture, WSL2, container toolkits."""

import platform
from typing import Final

from provision.model import GPU_VENDORS, Toolkit
from provision.model.distribution import is_red_hat
from provision.probe.parsers import parse_os_release
from provision.probe.reader import Reader

BINARIES: Final = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_SYSTEM: Final = "/run/current-system/sw/bin"  # a system's programs on NixOS
TOOLKITS: Final = (*BINARIES, *(row.toolkit_folder for row in GPU_VENDORS.values() if row.toolkit_folder), _SYSTEM)
VERSIONS: Final = tuple(
    (tool, "--version") for row in GPU_VENDORS.values() for tool in row.toolkit_programs if tool.endswith("-ctk")
)
DXG: Final = "/dev/dxg"


def kernel(reader: Reader) -> str | None:
    """Return the kernel's release, as `uname -r` prints it."""
    return reader.line("/proc/sys/kernel/osrelease")


def distribution(reader: Reader) -> str | None:
    """Return ID and VERSION_ID of os-release, "debian 12"."""
    text = reader.text("/etc/os-release")
    return parse_os_release(text if text is not None else reader.text("/usr/lib/os-release") or "")


def architecture(reader: Reader, hint: str | None = None) -> str:
    """Return the machine as `uname -m` prints it.

    A captured tree tells it by /proc/sys/kernel/arch (Linux 6.1), by `hint` (a driver's own text),
    or by its library directory; otherwise it is taken for x86_64.
    """
    if reader.live:
        return platform.machine()
    named = reader.line("/proc/sys/kernel/arch") or hint
    if named:
        return named
    return "aarch64" if reader.exists("/usr/lib/aarch64-linux-gnu") else "x86_64"


def expects_podman(reader: Reader) -> bool:
    """Tell whether Podman is the engine to expect: its program or the distribution's choice, and no Docker."""
    if any(reader.exists(f"{folder}/{name}") for folder in BINARIES for name in ("docker", "dockerd")):
        return False
    return reader.exists("/usr/bin/podman") or is_red_hat(distribution(reader))


def selinux(reader: Reader) -> bool:
    """Tell whether SELinux is enforcing. Where no file says so, the distribution's own setting counts."""
    told = reader.line("/sys/fs/selinux/enforce")
    return told == "1" if told else is_red_hat(distribution(reader)) and not reader.live


def is_wsl(reader: Reader) -> bool:
    """Tell WSL2 from other kernels that Microsoft builds: they neither say so nor have /dev/dxg."""
    reader.looked_at.append(DXG)
    version = (reader.text("/proc/version") or "").lower()
    return "microsoft" in version and ("wsl" in version or reader.exists(DXG))


def toolkits(reader: Reader, folders: tuple[str, ...] = TOOLKITS) -> tuple[Toolkit, ...]:
    """Return the container toolkits in `folders`, the first place of each; files tell no versions."""
    found: dict[str, Toolkit] = {}
    programs = {tool: name for row in GPU_VENDORS.values() for tool, name in row.toolkit_programs.items()}
    for tool, name in programs.items():
        paths = (f"{folder}/{tool}" for folder in folders)
        path = next((path for path in paths if reader.exists(path)), None)
        if path:
            found[name] = Toolkit(name=name, path=path)
    return tuple(found.values())
