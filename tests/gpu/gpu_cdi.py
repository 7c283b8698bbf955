"""A CDI specification of this machine's NVIDIA GPUs: device nodes, and the driver's libraries by every name they have.

What nvidia-ctk writes where it is installed, without its hooks: the libraries are mounted where the loader looks by
itself, so that no cache of the loader has to be made anew. Of the libraries those for compute and utility.
Source: https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md (checked 2026-11-29).
"""

import os
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

KIND = "nvidia.com/gpu"
STEMS = (
    "libcuda",
    "libcudadebugger",
    "libnvidia-allocator",
    "libnvidia-cfg",
    "libnvidia-gpucomp",
    "libnvidia-ml",
    "libnvidia-nvvm",
    "libnvidia-opencl",
    "libnvidia-pkcs11",
    "libnvidia-pkcs11-openssl3",
    "libnvidia-ptxjitcompiler",
)
OF_DRIVER = re.compile(rf"({'|'.join(map(re.escape, STEMS))})\.so(\.[0-9.]+)?")
FOLDERS = (
    "usr/local/nvidia/lib64",
    "usr/local/nvidia/lib",
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "usr/lib64",
    "usr/lib/wsl/lib",
)
SHARED = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")
OPTIONS = ["ro", "nosuid", "nodev", "bind"]  # nvidia-ctk's own


def nodes(root: Path) -> tuple[list[Path], list[Path]]:
    """Return the device nodes below a root: one for each GPU, and those that every GPU needs."""
    devices = [path for path in sorted((root / "dev").glob("nvidia*")) if is_device(path)]
    gpus = [path for path in devices if re.fullmatch(r"nvidia\d+", path.name)]
    caps = sorted(path for path in (root / "dev" / "nvidia-caps").glob("*") if is_device(path))
    return gpus, [path for path in devices if path.name in SHARED] + caps


def is_device(path: Path) -> bool:
    """Tell whether a path is a character device."""
    return stat.S_ISCHR(path.stat().st_mode)


def driver_libraries(root: Path) -> dict[str, Path]:
    """Return the driver's libraries below a root by each of their names; the first folder that has a name gives it."""
    found: dict[str, Path] = {}
    for folder in (*_linked(root), *(root / name for name in FOLDERS)):
        for path in sorted(folder.glob("lib*.so*")):
            if OF_DRIVER.fullmatch(path.name) and path.exists():
                found.setdefault(path.name, path.resolve())
    return found


def _linked(root: Path) -> Iterator[Path]:
    """Yield the folders of this machine's libcuda: of its loader's variable and cache."""
    if root != Path("/"):
        return
    yield from (Path(one) for one in os.environ.get("LD_LIBRARY_PATH", "").split(":") if one)
    try:
        told = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=False, timeout=30).stdout
    except OSError:
        return
    yield from (Path(one).parent for one in re.findall(r"libcuda\.so\.1 .*=> (/\S+)", told))


def loader_folder() -> Path:
    """Return where this machine's loader looks by itself: the folder of its C library."""
    told = subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"libc\.so\.6 => (/\S+)", told)
    return Path(found[1]).resolve().parent if found else Path("/usr/lib")


def specification(root: Path, folder: Path) -> dict[str, Any]:
    """Return the specification.

    Args:
        root: this machine's, or a stand-in's.
        folder: where the libraries are to lie in a container.
    """
    gpus, shared = nodes(root)

    def node(path: Path) -> dict[str, str]:
        return {"path": f"/{path.relative_to(root)}", "hostPath": str(path)}

    mounts = [
        {"hostPath": str(path), "containerPath": str(folder / name), "options": OPTIONS}
        for name, path in driver_libraries(root).items()
    ]
    devices = [
        {"name": path.name.removeprefix("nvidia"), "containerEdits": {"deviceNodes": [node(path)]}} for path in gpus
    ]
    devices.append({"name": "all", "containerEdits": {"deviceNodes": [node(path) for path in gpus]}})
    edits = {"deviceNodes": [node(path) for path in shared], "mounts": mounts}
    return {"cdiVersion": "0.6.0", "kind": KIND, "devices": devices, "containerEdits": edits}


def without_devices(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a specification that names the same devices and has none of their nodes."""
    bare = [{"name": one["name"], "containerEdits": {"env": ["KGPU_CDI=empty"]}} for one in spec["devices"]]
    return {**spec, "devices": bare, "containerEdits": {"mounts": spec["containerEdits"]["mounts"]}}
