"""Why an AMD GPU is not usable: KGE-103, amdgpu does not have it; KGE-112, the kernel offers no compute on it."""

from provision.catalogue import rows
from provision.catalogue.drives import amd_not_driven, never_computes, upstream_version
from provision.model import Driver, version_key
from provision.probe.nvidia_unusable import reserved
from provision.probe.pci import PciGpu
from provision.probe.unusable import Unusable

_MODULE = "amdgpu"


def why_unusable(gpu: PciGpu, row: rows.TargetChip | None, driver: Driver | None, kernel: str | None) -> Unusable:
    """Return why a GPU without a KFD node is not usable.

    Args:
        gpu: on the bus.
        row: of its chip, None when its device id is in no row.
        driver: the loaded amdgpu.
        kernel: its release.
    """
    if gpu.driver == "vfio-pci":
        return reserved(gpu, _MODULE)
    if row and not row.compute:
        refused = never_computes(row)
        return Unusable("KGE-112", refused.reason, refused.fix, minor=row.integrated)
    if gpu.driver not in {None, _MODULE}:
        return _held(gpu)
    if driver is None:
        return _not_loaded(gpu, row, kernel)
    return _no_compute(gpu, row, driver, kernel)


def _held(gpu: PciGpu) -> Unusable:
    reason = f"is driven by {gpu.driver}; the amdgpu module is needed"
    if gpu.driver == "radeon":
        fix = "Boot with amdgpu.cik_support=1 radeon.cik_support=0; no ROCm of today has code for a GPU of that age."
        return Unusable("KGE-103", reason, fix)
    return Unusable("KGE-103", reason, f"Unbind it from {gpu.driver}, then let the amdgpu module take it.")


def _not_loaded(gpu: PciGpu, row: rows.TargetChip | None, kernel: str | None) -> Unusable:
    if row and gpu.device in row.virtual:
        reason = f"has no driver: it is a virtual function of {row.name} ({row.target}), and amdgpu is not loaded"
        fix = "Install the amdgpu driver that the cloud or the hypervisor's maker names for this guest."
        return Unusable("KGE-103", reason, fix)
    reason = "has no driver; the amdgpu module is not loaded"
    if older := _too_old(row, upstream_version(kernel)):
        load = "`sudo modprobe amdgpu`, where amdgpu-dkms is installed for this kernel. Else: "
        return Unusable("KGE-103", f"{reason}. {older[0]}", f"{load}{older[1][0].lower()}{older[1][1:]}")
    fix = "`sudo modprobe amdgpu`; if it fails, see /etc/modprobe.d (blacklist amdgpu) and dmesg."
    return Unusable("KGE-103", reason, fix)


def _too_old(row: rows.TargetChip | None, have: tuple[int, int] | None) -> tuple[str, str] | None:
    """Return that a kernel's own amdgpu may not know a chip, and what helps; None where it does or nothing is known."""
    if not row or not have or not row.kernel_with or have >= version_key(row.kernel_with):
        return None
    fix = f"Boot Linux {row.kernel_with} or newer, which has it (Ubuntu: the HWE or OEM kernel), with current "
    return (
        f"Linux {'.'.join(map(str, have))} may be too old for {row.name} ({row.target})",
        f"{fix}linux-firmware; or install amdgpu-dkms. Check: sudo dmesg | grep amdgpu",
    )


def _no_compute(gpu: PciGpu, row: rows.TargetChip | None, driver: Driver, kernel: str | None) -> Unusable:
    """The amdgpu module is loaded, and KFD has no node for the GPU."""
    minor = row is not None and row.integrated
    if row and gpu.device in row.virtual and not row.virtual_compute:
        reason = f"is a virtual function of {row.name} ({row.target}), on which amdgpu offers no compute by design"
        return Unusable("KGE-112", reason, "Hand the whole GPU to the guest, or take another machine.", minor=minor)
    refused = amd_not_driven(row, driver, kernel) if row else None
    if refused:
        return Unusable("KGE-112", refused.reason, refused.fix, minor=minor)
    if gpu.driver is None:
        return _not_taken(gpu, row, driver, kernel)
    chip = f" ({row.name}, {row.target})" if row else ""
    reason = f"is driven by amdgpu{chip} but has no KFD node: ROCm cannot use it"
    return Unusable("KGE-112", reason, _compute_fix(row, kernel), minor=minor)


def _compute_fix(row: rows.TargetChip | None, kernel: str | None) -> str:
    if row and row.atomics and not row.integrated:
        return (
            "dmesg tells why (lines with kfd). 'PCI rejects atomics': the slot, a bridge or the virtual machine's root "
            "port passes no PCIe atomics on: use a slot of the CPU itself, PCIe 3.0 or newer; "
            "'rejects atomics A<B': newer linux-firmware does without."
        )
    have, known = upstream_version(kernel), version_key(row.kernel_with) if row and row.kernel_with else None
    old = "" if have and known and have >= known else "a kernel that is too old for it, "
    return f"dmesg tells why (lines with kfd): {old}missing firmware, or a kernel built without CONFIG_HSA_AMD."


def _not_taken(gpu: PciGpu, row: rows.TargetChip | None, driver: Driver, kernel: str | None) -> Unusable:
    reason = "has no driver, although the amdgpu module is loaded: the module did not take it"
    bind = f"`echo {gpu.address} | sudo tee /sys/bus/pci/drivers/amdgpu/bind`"
    if gpu.override and gpu.override != _MODULE:
        path = f"/sys/bus/pci/devices/{gpu.address}/driver_override"
        return Unusable(
            "KGE-103", reason, f"Its driver_override still says {gpu.override}: `echo | sudo tee {path}`; {bind}"
        )
    have = upstream_version(kernel) if driver.flavour == "inbox" else None
    if older := _too_old(row, have):
        return Unusable("KGE-103", f"{reason}. {older[0]}", older[1])
    fix = "dmesg tells why (lines with amdgpu: an unknown GPU, missing firmware). A newer kernel, linux-firmware or "
    return Unusable("KGE-103", reason, f"{fix}amdgpu-dkms knows newer GPUs.")
