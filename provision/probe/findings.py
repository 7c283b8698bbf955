"""The findings of a probe, KGE-101 to KGE-119, with their fixes; what concerns one vendor is in its own module."""

from collections.abc import Iterable

from provision.errors import InputError
from provision.model import GPU_VENDORS, UNSEEN_GPU, Finding, GpuVendor, Severity

_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


def no_gpu(looked_at: Iterable[str]) -> Finding:
    """KGE-101: every place was read, and none shows a GPU."""
    makers = " or ".join(row.title for row in GPU_VENDORS.values())
    return Finding(
        code="KGE-101",
        severity=_INFO,
        text=f"No {makers} GPU on this host. Looked at {', '.join(looked_at)}.",
        fix="Ask for a CPU environment (--vendor cpu), or give the host file of another machine (--host FILE).",
    )


def cannot_tell() -> Finding:
    """KGE-117: no GPU seen, but not every place could be read."""
    return Finding(
        code=UNSEEN_GPU,
        severity=_ERROR,
        text="Whether this host has a GPU is unknown: places where it would show could not be read.",
        fix="Fix what the findings KGE-104 name, then probe again.",
    )


def without(path: str) -> Finding:
    """KGE-117: the place where a GPU shows first is empty, as in a tree that was captured in part."""
    return Finding(
        code=UNSEEN_GPU,
        severity=_ERROR,
        text=f"Whether this host has a GPU is unknown: {path} is empty or not there.",
        fix="In a container or chroot: mount sysfs there. Of another machine: capture it again, on it: "
        "`kgpu-env probe --capture FILE`",
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


def wsl2() -> Finding:
    """KGE-109: a Linux inside Windows."""
    return Finding(
        code="KGE-109",
        severity=_INFO,
        text="This is WSL2: the GPU's driver belongs to Windows, and the GPU appears as /dev/dxg.",
        fix="Update the driver in Windows; never install a Linux GPU driver inside WSL2.",
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
        fix="`sudo usermod -aG render,video $USER`, then log in again (or the group that owns the node).",
    )


def disagreement(tool: str, text: str) -> Finding:
    """KGE-114: a tool contradicts what the kernel's files say."""
    return Finding(
        code="KGE-114",
        severity=_WARNING,
        text=f"{tool} disagrees with the kernel's files: {text}.",
        fix=f"Look which {tool} is first on PATH, and whether it belongs to the loaded driver.",
    )


def no_toolkit(row: GpuVendor) -> Finding:
    """KGE-115: nothing on the host can hand a maker's GPU to a container."""
    programs = ", ".join(f"no {program}" for program in row.toolkit_programs)
    return Finding(
        code="KGE-115",
        severity=_WARNING,
        text=f"There is an {row.title} GPU but no {row.title} Container Toolkit: {programs}, no CDI specification.",
        fix=f"Install {row.toolkit} and restart the container engine.",
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
    """KGE-118: WSL2 with a GPU that no framework can use; which maker's it is, nothing tells."""
    libraries = " nor ".join(f"{row.wsl_library} ({row.title})" for row in GPU_VENDORS.values())
    fixes = ". ".join(row.wsl_fix.replace("`", "") for row in GPU_VENDORS.values())  # one of them, so none to run
    return Finding(
        code="KGE-118",
        severity=_ERROR,
        text=f"/dev/dxg exists, but neither {libraries} does.",
        fix=f"{fixes}. Check: ls {' '.join(row.wsl_library for row in GPU_VENDORS.values())}",
    )


def wsl_without_library(row: GpuVendor, names: str) -> Finding:
    """KGE-118: WSL2 whose Windows lists GPUs of a maker, whose library is missing here."""
    return Finding(
        code="KGE-118",
        severity=_ERROR,
        text=f"Windows has {names}, but {row.wsl_library} is missing in this distribution.",
        fix=f"{row.wsl_fix}. Check: ls {row.wsl_library}",
    )


def not_a_host(root: str) -> InputError:
    """KGE-119: the directory given as --root is no tree of a host."""
    return InputError(
        "KGE-119",
        f"{root} is not the tree of a host.",
        cause="It is no directory, or holds none of proc, sys and dev.",
        fix="Give the directory that stands for / of the other machine.",
    )
