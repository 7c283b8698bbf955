"""What a probe finds out about an AMD GPU and its driver; the codes of all vendors are in `findings`."""

from provision.model import Finding, Severity

_WARNING, _INFO = Severity.WARNING, Severity.INFO


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


def old_kfd(addresses: str, targets: str) -> Finding:
    """KGE-116: a kernel too old to name the GPU's target; `targets` are those of the PCI device ids, or empty."""
    told = f"by its PCI device id it is {targets}" if targets else "its target is unknown"
    return Finding(
        code="KGE-116",
        severity=_WARNING,
        text=f"The kernel is too old to tell gfx_target_version of the AMD GPU at {addresses}, "
        f"which amdgpu does drive: {told}.",
        fix="Boot a newer kernel (5.10 or later tells it), or install AMD's amdgpu-dkms.",
    )
