"""What a probe finds out about an AMD GPU and its driver; the codes of all vendors are in `findings`."""

from provision.model import Finding, Severity

_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


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


def not_in_kfd(addresses: str) -> Finding:
    """KGE-112: amdgpu drives the GPU but offers no compute on it."""
    return Finding(
        code="KGE-112",
        severity=_WARNING,
        text=f"The AMD GPU at {addresses} is driven by amdgpu but has no KFD node: ROCm cannot use it.",
        fix="See dmesg for kfd: the GPU may be unsupported, or PCIe atomics are missing.",
    )


def old_kfd(addresses: str) -> Finding:
    """KGE-116: a kernel too old to name the GPU's target."""
    return Finding(
        code="KGE-116",
        severity=_WARNING,
        text=f"The kernel has no gfx_target_version for the AMD GPU at {addresses}: its target is unknown.",
        fix="Use a newer kernel or AMD's amdgpu-dkms driver.",
    )
