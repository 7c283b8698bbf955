"""Why an NVIDIA GPU is not usable: KGE-102, the module does not have it; KGE-111, the driver is not for it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from provision.catalogue import rows
from provision.catalogue.drives import NotDriven, nvidia_generation, nvidia_not_driven
from provision.model import DriverVersion, version_key
from provision.probe.nvidia_parsers import GpuInformation, KernelModule
from provision.probe.pci import PciGpu
from provision.probe.unusable import Unusable

_OTHERS = ("nouveau", "nova_core", "NovaCore")
_MODULE = "nvidia"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What the files tell of NVIDIA's driver.

    Attributes:
        module: the loaded one.
        listed: what the module says of each GPU that it has, by address; None where its files cannot be seen, as in a
            container.
        libraries: the versions of its libraries on disk.
    """

    module: KernelModule | None
    listed: Mapping[str, GpuInformation] | None
    libraries: tuple[str, ...]


def why_unusable(gpu: PciGpu, row: rows.Capability | None, installed: Installed) -> Unusable | None:
    """Return why the GPU `gpu` of the generation `row` is not usable, or None when nothing speaks against it."""
    if gpu.driver and gpu.driver != _MODULE:
        return _held(gpu, row)
    refused = _generation(gpu, row, installed)
    if refused:
        return Unusable("KGE-111", refused.reason, refused.fix)
    if installed.module is None:
        return None if gpu.driver else _not_loaded(row, installed.libraries)
    has = gpu.driver is not None if installed.listed is None else gpu.address in installed.listed
    return None if has else _not_taken(gpu)


def beside(why: Unusable, row: rows.Capability | None, others: Iterable[rows.Capability]) -> Unusable:
    """Return what is told of a GPU that the driver is not for, where it drives `others`: they come first."""
    driven = tuple(others)
    if row is None or why.code != "KGE-111" or not driven:
        return why
    rival = next((other for other in driven if _excludes(row, other)), None)
    if rival:
        fix = f"No driver drives it beside {nvidia_generation(rival)}: leave it out, or put it into another machine."
        return why._replace(fix=fix)
    return why._replace(fix=f"Only to use this GPU, too: {why.fix[0].lower()}{why.fix[1:]}")


def _excludes(row: rows.Capability, other: rows.Capability) -> bool:
    """Tell whether no driver is for both generations: of one branch, or in one flavour."""
    flavours = {row.flavour, other.flavour} - {None, ""}
    late = row.last_branch and other.driver and DriverVersion(other.driver).branch > row.last_branch
    return len(flavours) > 1 or bool(late)


def _generation(gpu: PciGpu, row: rows.Capability | None, installed: Installed) -> NotDriven | None:
    """Return why this driver, loaded or installed, is not for this generation."""
    if row is None:
        return None
    if installed.module is None:
        newest = max(installed.libraries, key=version_key, default=None)
        return nvidia_not_driven(row, newest) if newest else None
    found = nvidia_not_driven(row, installed.module.version, installed.module.flavour)
    information = (installed.listed or {}).get(gpu.address)
    # A UUID is read from a GPU that was initialised: that outweighs a row which is only inferred.
    initialised = information is not None and information.uuid is not None
    return None if initialised and row.confidence != "confirmed" else found


def _held(gpu: PciGpu, row: rows.Capability | None) -> Unusable:
    """A GPU of another module."""
    text = f"is driven by {gpu.driver}; the nvidia module is needed"
    if gpu.driver == "vfio-pci":
        return reserved(gpu, _MODULE)
    if gpu.driver in _OTHERS:
        fix = f"Install NVIDIA's driver{_for(row)}, which keeps {gpu.driver} from the GPU (blacklist), and reboot."
        return Unusable("KGE-102", text, fix)
    return Unusable("KGE-102", text, f"Unbind it from {gpu.driver}, then let the nvidia module take it.")


def reserved(gpu: PciGpu, module: str) -> Unusable:
    """Return what is told of a GPU that vfio-pci holds, of whichever maker."""
    code = "KGE-102" if module == _MODULE else "KGE-103"
    virtual = f" (a virtual function of {gpu.physical})" if gpu.physical else ""
    reason = f"is held by vfio-pci, for virtual machines{virtual}"
    fix = f"Only to use it in containers, too: unbind it from vfio-pci and bind it to {module}."
    return Unusable(code, reason, fix, minor=True)


def _not_loaded(row: rows.Capability | None, libraries: tuple[str, ...]) -> Unusable:
    reason = "has no driver; the nvidia module is not loaded"
    if libraries:
        listed = ", ".join(libraries)
        told = f"Its libraries are installed ({listed}): `sudo modprobe nvidia`; if it fails, dmesg tells why."
        return Unusable("KGE-102", reason, told)
    fix = f"Install NVIDIA's driver{_for(row)} for the running kernel, then: `sudo modprobe nvidia`"
    return Unusable("KGE-102", reason, fix)


def _for(row: rows.Capability | None) -> str:
    """The driver that a generation needs, where not every one will do."""
    if row is None or not (row.last_branch or row.flavour):
        return ""
    branch = f"branch {row.last_branch}, the last for {nvidia_generation(row)}" if row.last_branch else ""
    flavour = f"the {row.flavour} flavour" if row.flavour else ""
    return f" ({', '.join(filter(None, (branch, flavour)))})"


def _not_taken(gpu: PciGpu) -> Unusable:
    """The module is loaded and does not have the GPU."""
    if gpu.physical:
        reason = f"is a virtual function of {gpu.physical}, which the nvidia module keeps for virtual machines (vGPU)"
        return Unusable("KGE-102", reason, "Use it in a guest, or the whole GPU without vGPU.", minor=True)
    if gpu.driver:
        reason = "is bound to the nvidia module, which does not list it in /proc/driver/nvidia/gpus: it did not start"
        fix = "dmesg tells why (NVRM: RmInitAdapter failed, fallen off the bus); power the machine off and on once."
        return Unusable("KGE-102", reason, fix)
    reason = "has no driver, although the nvidia module is loaded: the module did not take it"
    if gpu.override and gpu.override != _MODULE:
        path = f"/sys/bus/pci/devices/{gpu.address}/driver_override"
        fix = f"Its driver_override still says {gpu.override}: `echo | sudo tee {path}`; {_bind(gpu)}"
        return Unusable("KGE-102", reason, fix)
    return Unusable("KGE-102", reason, f"dmesg tells why (lines with NVRM). After that is fixed: {_bind(gpu)}")


def _bind(gpu: PciGpu) -> str:
    return f"`echo {gpu.address} | sudo tee /sys/bus/pci/drivers/nvidia/bind`"
