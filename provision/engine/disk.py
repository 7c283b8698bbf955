"""How much room there is where an engine keeps its images."""

import os
from collections.abc import Mapping
from typing import Any

from provision.engine.connection import shares

_APART = "Docker Desktop"  # in a virtual machine with a disk of its own
_CONTAINERD = "io.containerd.snapshotter"  # the images are in containerd's folder, which Docker does not tell


def free_bytes(info: Mapping[str, Any], address: str) -> int | None:
    """Return the free bytes of the file system that an engine keeps images in, or None where they are not known.

    Args:
        info: the engine's answer to /info.
        address: where it was asked.
    """
    folder, system = info.get("DockerRootDir"), str(info.get("OperatingSystem") or "")
    if not isinstance(folder, str) or not folder.startswith("/") or _APART in system:
        return None
    if _CONTAINERD in str(info.get("DriverStatus")) or not shares(address, "mnt"):
        return None
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bfree * found.f_frsize  # an engine of root may use what is kept for root
