"""Fabric manager on hosts whose GPUs are joined by NVSwitch: without it CUDA answers 802 to every process."""

import re
from collections.abc import Iterator
from typing import Final

from provision.model import Finding, Vendor
from provision.probe.causes.scene import Scene, error
from provision.probe.parsers import parse_hex_id
from provision.probe.pci import DEVICES

_ROOTS: Final = ("", "/run/nvidia/driver")  # the host's own, and the GPU operator's
_PROGRAMS: Final = (
    "/usr/bin/nv-fabricmanager",
    "/usr/sbin/nv-fabricmanager",
    "/usr/lib/systemd/system/nvidia-fabricmanager.service",
)
_PID: Final = "/run/nvidia-fabricmanager/nv-fabricmanager.pid"
_DPKG: Final = "/var/lib/dpkg/status"
_MODULES: Final = "/proc/modules"
_UMAD: Final = "ib_umad"  # fabric manager's and nvlsm's way to the switches of NVLink 5
READS: Final = (DEVICES, *_PROGRAMS, _PID, _DPKG, _MODULES, "/proc")
_BRIDGE: Final = "0x0680"
_DPKG_LIMIT: Final = 32 << 20
# With NVLink 5 the switches are no PCI functions of the node; a baseboard has eight of these GPUs: B200, B200, HGX
# B200, B100 and B300 by Debian's pci.ids 0.0~2026.10.24-1. LlamaFactory#8968: 802 on 8 x B200;
# siderolabs/extensions#717. What they need: NVIDIA/gpu-operator#2781.
_WITHOUT_BRIDGES: Final = {"2901", "290a", "2909", "2920", "3182"}
_BASEBOARD: Final = 8
_ROW: Final = Vendor.CUDA.row
_PACKAGE = re.compile(
    r"^Package: (nvidia-fabric-?manager(?:-\d+)?)\n(?:.+\n)*?Version: (?:\d+:)?([\d.]+)", re.MULTILINE
)
_INSTALLED = re.compile(r"^Status: install ok (installed|half-configured|unpacked)", re.MULTILINE)


def manager(scene: Scene) -> Iterator[Finding]:
    """KGE-131: fabric manager is missing or does not run; KGE-132: it is of another version than the driver."""
    driver = scene.host.driver(_ROW.maker)
    if scene.guest or not driver or not driver.version or not _has_switches(scene):
        return
    package = _package(scene)
    if package and package[1] != driver.version:
        yield _other_version(scene, *package, driver.version)
    elif not package and not _program(scene):
        yield _missing(scene, driver.version)
    elif _joined_without_bridges(scene) and _has_module(scene, _UMAD) is False:
        yield _unreachable(scene)
    elif _runs(scene) is False:
        yield error(
            "KGE-131",
            "The GPUs of this host are joined by NVSwitch, and fabric manager is installed but does not run: "
            "CUDA answers "
            "802 (system not yet initialized).",
            "`sudo systemctl enable --now nvidia-fabricmanager`. Check: systemctl status nvidia-fabricmanager",
        )


def _has_switches(scene: Scene) -> bool:
    for name in scene.reader.names(DEVICES):
        folder = f"{DEVICES}/{name}"
        maker = parse_hex_id(scene.reader.text(f"{folder}/vendor"))
        if maker == _ROW.pci_vendor and (scene.reader.text(f"{folder}/class") or "").startswith(_BRIDGE):
            return True
    return _joined_without_bridges(scene)


def _joined_without_bridges(scene: Scene) -> bool:
    return sum(gpu.device in _WITHOUT_BRIDGES and gpu.vendor == _ROW.maker for gpu in scene.on_bus) >= _BASEBOARD


def _has_module(scene: Scene, name: str) -> bool | None:
    """Tell whether a module is in the kernel; None: the list of modules is not there."""
    text = scene.reader.text(_MODULES)
    if not text:
        return None
    return any(line.startswith(f"{name} ") for line in text.splitlines()) or scene.reader.exists(f"/sys/module/{name}")


def _package(scene: Scene) -> tuple[str, str] | None:
    """Return the installed package and its upstream version, from dpkg's list; RPM's is a database."""
    text = (scene.reader.data(_DPKG, _DPKG_LIMIT) or b"").decode(errors="replace")
    for paragraph in text.split("\n\n"):
        found = _PACKAGE.search(paragraph + "\n")
        if found and ("Status:" not in paragraph or _INSTALLED.search(paragraph)):
            return found[1], found[2]
    return None


def _program(scene: Scene) -> bool:
    return any(scene.reader.exists(f"{root}{path}") for root in _ROOTS for path in _PROGRAMS)


def _runs(scene: Scene) -> bool | None:
    """Tell whether it runs; None: a captured tree without processes does not tell."""
    processes = [name for name in scene.reader.names("/proc") if name.isdecimal()]
    if len(processes) <= 1:
        return None
    pid = scene.reader.line(_PID)
    if pid:
        return pid in processes
    return any((scene.reader.line(f"/proc/{name}/comm") or "").startswith("nv-fabricmanage") for name in processes)


def _missing(scene: Scene, version: str) -> Finding:
    branch = version.partition(".")[0]
    install = scene.family.install.format(f"nvidia-fabricmanager-{branch}={version}-1")
    if "dnf" in scene.family.install:
        install = scene.family.install.format(f"nvidia-fabricmanager-{version}")
    return error(
        "KGE-131",
        "The GPUs of this host are joined by NVSwitch, and fabric manager is not installed: CUDA answers 802 "
        "(system not "
        f"yet initialized). It must be of exactly the driver's version, {version}.",
        f"{install} (Blackwell also nvlsm), then: `sudo systemctl enable --now nvidia-fabricmanager`. "
        "Check: nvidia-smi -q | grep -A2 Fabric",
    )


def _unreachable(scene: Scene) -> Finding:
    extra = "linux-modules-extra-$(uname -r)" if "apt-get" in scene.family.install else "kernel-modules-extra"
    return error(
        "KGE-131",
        "The GPUs of this host are joined by NVSwitch (NVLink 5), whose switches InfiniBand drivers reach, and "
        f"{_UMAD} is not loaded: fabric manager cannot set them up, and CUDA answers 802 (system not yet initialized).",
        f"`sudo modprobe mlx5_ib {_UMAD}` (where there is no such module: {scene.family.install.format(extra)}), then: "
        "`sudo systemctl restart nvidia-fabricmanager`. Check: nvidia-smi -q | grep -A2 Fabric",
    )


def _other_version(scene: Scene, package: str, version: str, driver: str) -> Finding:
    return error(
        "KGE-132",
        f"Fabric manager ({package}) is {version}, the driver is {driver}: it does not start, and CUDA answers "
        "802 (system "
        "not yet initialized).",
        f"{scene.family.install.format(f'{package}={driver}-1')}, then: `sudo systemctl restart nvidia-fabricmanager`; "
        "hold both "
        "packages together. Check: systemctl status nvidia-fabricmanager",
    )
