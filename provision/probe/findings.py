"""Every finding of a probe, KGE-101 to KGE-119: its text and its mend, in one place."""

from collections.abc import Iterable

from provision.errors import InputError
from provision.model import Finding, Severity

_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


def no_gpu(looked_at: Iterable[str]) -> Finding:
    """KGE-101: every place was read, and none shows a GPU."""
    return Finding(
        code="KGE-101",
        severity=_INFO,
        text=f"No NVIDIA or AMD GPU on this host. Looked at {', '.join(looked_at)}.",
        fix="Ask for a CPU environment (--vendor cpu), or give the host file of another machine (--host FILE).",
    )


def cannot_tell() -> Finding:
    """KGE-117: no GPU seen, but not every place could be read."""
    return Finding(
        code="KGE-117",
        severity=_ERROR,
        text="Whether this host has a GPU is unknown: places where it would show could not be read.",
        fix="Mend what the findings KGE-104 name, then probe again.",
    )


def nvidia_not_loaded(driver: str | None, addresses: str, *, libraries: bool) -> Finding:
    """KGE-102: an NVIDIA GPU that the nvidia module does not drive."""
    who = f"is driven by {driver}" if driver else "has no driver"
    fix = {
        "nouveau": "Install NVIDIA's driver, which disables nouveau, and reboot.",
        "vfio-pci": "It is reserved for virtual machines: unbind it from vfio-pci to use it in containers.",
    }.get(driver or "", "Install NVIDIA's driver for the running kernel, then: sudo modprobe nvidia")
    if libraries and driver is None:
        fix = "Its libraries are installed: sudo modprobe nvidia; if it fails, see dmesg (DKMS, Secure Boot)."
    return Finding(
        code="KGE-102",
        severity=_ERROR,
        text=f"The NVIDIA GPU at {addresses} {who}; the nvidia module is needed.",
        fix=fix,
    )


def amd_not_loaded(driver: str | None, addresses: str) -> Finding:
    """KGE-103: an AMD GPU that amdgpu does not drive."""
    who = f"is driven by {driver}" if driver else "has no driver"
    return Finding(
        code="KGE-103",
        severity=_ERROR,
        text=f"The AMD GPU at {addresses} {who}; the amdgpu module is needed.",
        fix="Unbind it from vfio-pci to use it in containers."
        if driver == "vfio-pci"
        else "sudo modprobe amdgpu; if it fails, see /etc/modprobe.d (blacklist amdgpu) and dmesg.",
    )


def unreadable(path: str, reason: str) -> Finding:
    """KGE-104: a file is there but cannot be read."""
    return Finding(
        code="KGE-104",
        severity=_WARNING,
        text=f"{path} could not be read: {reason}.",
        fix="Run the probe as a user who may read it; the rest of the probe went on without it.",
    )


def tool_failed(tool: str, reason: str) -> Finding:
    """KGE-105: a command or library of the vendor failed or took too long."""
    return Finding(
        code="KGE-105",
        severity=_WARNING,
        text=f"{tool} failed: {reason}. What it would have told is missing; the files were read without it.",
        fix=f"Run {tool} by hand and see dmesg for messages of the driver.",
    )


def library_mismatch(kernel: str, libraries: Iterable[str]) -> Finding:
    """KGE-106: the loaded module and the libraries on disk are of different versions."""
    return Finding(
        code="KGE-106",
        severity=_ERROR,
        text=f"The loaded NVIDIA module is {kernel}, its libraries on disk are {', '.join(libraries)}: "
        "CUDA and NVML refuse to start.",
        fix="Reboot, so that the module of the installed driver is loaded.",
    )


def inbox_amdgpu() -> Finding:
    """KGE-107: amdgpu comes with the kernel."""
    return Finding(
        code="KGE-107",
        severity=_INFO,
        text="amdgpu is the kernel's own (inbox) driver: /sys/module/amdgpu/version does not exist, "
        "so no driver release can be named.",
        fix="Ryzen APUs need nothing else; for Instinct and Radeon cards AMD documents amdgpu-dkms.",
    )


def unknown_amdgpu(version: str) -> Finding:
    """KGE-108: amdgpu's version stands for no release known here."""
    return Finding(
        code="KGE-108",
        severity=_WARNING,
        text=f"The amdgpu version {version} is not in the table of driver releases.",
        fix="Update kgpu-env, or add the version to the drivers' table in images/amd.yaml.",
    )


def wsl2() -> Finding:
    """KGE-109: a Linux inside Windows."""
    return Finding(
        code="KGE-109",
        severity=_INFO,
        text="This is WSL2: the GPU's driver belongs to Windows, and the GPU appears as /dev/dxg.",
        fix="Update the driver in Windows; never install a Linux GPU driver inside WSL2.",
    )


def tegra() -> Finding:
    """KGE-110: a Jetson, whose integrated GPU is not on the PCI bus."""
    return Finding(
        code="KGE-110",
        severity=_ERROR,
        text="This is an NVIDIA Tegra (Jetson): TensorFlow's wheels on PyPI do not cover its integrated GPU.",
        fix="Use NVIDIA's own container images for Jetson.",
    )


def open_module_unsupported(names: str) -> Finding:
    """KGE-111: the open kernel module with a GPU older than Turing."""
    return Finding(
        code="KGE-111",
        severity=_ERROR,
        text=f"The open NVIDIA kernel module does not support GPUs older than Turing: {names}.",
        fix="Install the proprietary flavour of the driver, of branch 580 or older.",
    )


def not_in_kfd(addresses: str) -> Finding:
    """KGE-112: amdgpu drives the GPU but offers no compute on it."""
    return Finding(
        code="KGE-112",
        severity=_WARNING,
        text=f"The AMD GPU at {addresses} is driven by amdgpu but has no KFD node: ROCm cannot use it.",
        fix="See dmesg for kfd: the GPU may be unsupported, or PCIe atomics are missing.",
    )


def node_missing(path: str, fix: str) -> Finding:
    """KGE-113: the driver is loaded, its device node is not there."""
    return Finding(
        code="KGE-113",
        severity=_WARNING,
        text=f"The device node {path} does not exist although the driver is loaded.",
        fix=fix,
    )


def node_closed(paths: str) -> Finding:
    """KGE-113: the node is there, this user may not open it."""
    return Finding(
        code="KGE-113",
        severity=_INFO,
        text=f"You may not open {paths}. An engine that runs as root still can; a rootless one cannot.",
        fix="sudo usermod -aG render,video $USER, then log in again (or the group that owns the node).",
    )


def disagreement(tool: str, text: str) -> Finding:
    """KGE-114: a tool contradicts what the kernel's files say."""
    return Finding(
        code="KGE-114",
        severity=_WARNING,
        text=f"{tool} disagrees with the kernel's files: {text}.",
        fix=f"Look which {tool} is first on PATH, and whether it belongs to the loaded driver.",
    )


def no_toolkit() -> Finding:
    """KGE-115: nothing on the host can hand an NVIDIA GPU to a container."""
    return Finding(
        code="KGE-115",
        severity=_WARNING,
        text="There is an NVIDIA GPU but no NVIDIA Container Toolkit: no nvidia-ctk, "
        "no nvidia-container-runtime, no CDI specification.",
        fix="Install nvidia-container-toolkit and restart the container engine.",
    )


def old_kfd(addresses: str) -> Finding:
    """KGE-116: a kernel too old to name the GPU's target."""
    return Finding(
        code="KGE-116",
        severity=_WARNING,
        text=f"The kernel has no gfx_target_version for the AMD GPU at {addresses}: its target is unknown.",
        fix="Use a newer kernel or AMD's amdgpu-dkms driver.",
    )


def engine_failed(code: str, what: str, why: str, fix: str) -> Finding:
    """Return the engine's own error, code kept, as a finding."""
    return Finding(code=code, severity=_WARNING, text=f"{what} {why}".strip(), fix=fix)


def wsl_without_gpu() -> Finding:
    """KGE-118: WSL2 whose Windows hands in no GPU."""
    return Finding(
        code="KGE-118",
        severity=_ERROR,
        text="/dev/dxg does not exist: Windows gives this WSL2 no GPU.",
        fix="Update WSL (in Windows: wsl --update) and the GPU's driver in Windows, then: wsl --shutdown",
    )


def wsl_without_libraries() -> Finding:
    """KGE-118: WSL2 with a GPU that neither CUDA nor ROCm can use."""
    return Finding(
        code="KGE-118",
        severity=_ERROR,
        text="/dev/dxg exists, but neither /usr/lib/wsl/lib/libcuda.so (NVIDIA) nor "
        "/opt/rocm/lib/librocdxg.so (AMD) does.",
        fix="Install the GPU maker's current driver in Windows; for AMD also librocdxg inside WSL2.",
    )


def not_a_host(root: str) -> InputError:
    """KGE-119: the directory given as --root is no tree of a host."""
    return InputError(
        "KGE-119",
        f"{root} is not the tree of a host.",
        why="It is no directory, or holds none of proc, sys and dev.",
        fix="Give the directory that stands for / of the other machine.",
    )
