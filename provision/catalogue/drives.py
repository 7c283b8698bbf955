"""Whether a driver drives a GPU's generation: each generation of both makers has its first and last driver."""

from typing import NamedTuple

from provision.catalogue import Catalogue, rows
from provision.model import VENDORS, Driver, DriverVersion, Gpu, Host, version_key


class NotDriven(NamedTuple):
    """Why a GPU is not driven: `reason` follows "The GPU at ...", `fix` stands alone, `source` is the row's."""

    reason: str
    fix: str
    source: str = ""


def not_driven(catalogue: Catalogue, host: Host, gpu: Gpu) -> NotDriven | None:
    """Return why the host's driver cannot drive `gpu`, by the row of its generation; None where it tells nothing.

    A GPU whose KFD node was seen is driven, whatever the rows say. So is one whose UUID the driver told, where the row
    is not confirmed.
    """
    driver = host.driver(gpu.vendor)
    if driver is None or driver.flavour == "wsl":
        return None
    vendor = VENDORS[gpu.vendor]
    if vendor.row.published is None:
        row = catalogue.capability(gpu.architecture or "")
        if row is None or driver.version is None or (gpu.uuid and row.confidence != "confirmed"):
            return None
        return nvidia_not_driven(row, driver.version, driver.flavour)
    chip = next((chip for chip in catalogue.listed_chips(vendor) if chip.target == gpu.architecture), None)
    return amd_not_driven(chip, driver, host.kernel) if chip and gpu.kfd_node is None else None


def nvidia_not_driven(row: rows.Capability, version: str, flavour: str | None = None) -> NotDriven | None:
    """Return why NVIDIA's driver `version` does not drive the GPUs of `row`, or None.

    Args:
        row: of the GPU's compute capability.
        version: of the kernel module, or of the libraries where none is loaded.
        flavour: of the kernel module, None when it is not known.
    """
    driver, who = DriverVersion(version), f"is {nvidia_generation(row)}, which"
    if row.last_branch and int(driver.branch) > int(row.last_branch):
        reason = f"{who} driver {version} does not drive: R{row.last_branch} is the last branch for {row.name}"
        fix = f"Go back to driver branch {row.last_branch}{_in_flavour(row)} and hold its packages, then reboot."
        return NotDriven(reason, fix, row.source)
    if row.driver and driver < DriverVersion(row.driver):
        reason = f"{who} driver {version} does not drive yet: {row.driver} is the first for it"
        return NotDriven(reason, f"Install driver {row.driver} or newer{_in_flavour(row)}, then reboot.", row.source)
    if row.flavour and flavour in {"open", "proprietary"} and flavour != row.flavour:
        return _of_other_flavour(row, version)
    return None


def nvidia_generation(row: rows.Capability) -> str:
    """Return a generation as findings name it.

    >>> from provision.catalogue import load
    >>> nvidia_generation(load().capability("sm_61"))
    'Pascal (sm_61)'
    """
    return f"{row.name} (sm_{row.capability.replace('.', '')})"


def _in_flavour(row: rows.Capability) -> str:
    return f", the {row.flavour} flavour," if row.flavour else ""


def _of_other_flavour(row: rows.Capability, version: str) -> NotDriven:
    other = "open" if row.flavour == "proprietary" else "proprietary"
    reason = f"is {nvidia_generation(row)}, which the {other} kernel module does not drive (driver {version})"
    last = f" (branch {row.last_branch} is the last for {row.name})" if row.last_branch else ""
    fix = f"Install the {row.flavour} flavour of the driver{last}, then reboot."
    return NotDriven(reason, fix, row.flavour_source)


def amd_not_driven(row: rows.TargetChip, driver: Driver, kernel: str | None) -> NotDriven | None:
    """Return why KFD cannot take the chips of `row` with this driver, or None where the rows do not tell.

    Args:
        row: of the GPU's chip.
        driver: the loaded amdgpu; an inbox one is judged by the kernel's version.
        kernel: its release, "6.1.0-18-amd64".
    """
    if not row.compute:
        return never_computes(row)
    who = f"is {row.name} ({row.target}), which"
    if row.driver and driver.release and version_key(driver.release) < version_key(row.driver):
        reason = f"{who} amdgpu {driver.release} does not drive yet: {row.driver} is the first release for it"
        return NotDriven(reason, f"Install amdgpu-dkms {row.driver} or newer, then reboot.", row.source)
    own = upstream_version(kernel) if driver.flavour == "inbox" else None
    if own and row.kernel_without and own <= version_key(row.kernel_without):
        reason = f"{who} Linux {'.'.join(map(str, own))} has no compute driver for: Linux {row.kernel_with} has it"
        return NotDriven(reason, f"Boot Linux {row.kernel_with} or newer, or install amdgpu-dkms.", row.source)
    return None


def never_computes(row: rows.TargetChip) -> NotDriven:
    """Return what is told of a chip that KFD takes in no kernel."""
    reason = (
        f"is {row.name} ({row.target}): the kernel's compute driver (KFD) never takes it, whichever module is bound"
    )
    return NotDriven(reason, "No driver and no option of a module changes this: ROCm needs another GPU.", row.source)


def upstream_version(kernel: str | None) -> tuple[int, int] | None:
    """Return major and minor of a kernel's release; None where its GPU drivers are of another kernel.

    >>> upstream_version("6.1.0-18-amd64"), upstream_version("5.14.0-427.el9.x86_64")
    ((6, 1), None)
    """
    first, _, rest = (kernel or "").partition(".")
    second = rest.partition(".")[0].partition("-")[0]
    backported = ".el" in rest  # RHEL-likes take GPU drivers over from newer kernels
    return (int(first), int(second)) if first.isdecimal() and second.isdecimal() and not backported else None
