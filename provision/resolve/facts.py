"""From a host to the class of hosts that it belongs to, and from that to the facts that the rules look at."""

from msgspec import Struct

from provision.catalogue import Catalogue
from provision.catalogue.drives import not_driven
from provision.model import MACHINES, Driver, Gpu, Host, Rejection, Severity, Vendor
from provision.resolve.candidate import Build, Facts, Wishes
from provision.resolve.vendors import KNOWLEDGE
from provision.resolve.working import cause_of


class Failure(Struct, frozen=True):
    """No stack: `fix` is set when it does not depend on trying other hosts or requests."""

    code: str
    text: str
    cause: str = ""
    fix: str = ""
    rejected: tuple[Rejection, ...] = ()  # every build that was tried, with the rule that it is told by
    builds: tuple[Build, ...] = ()  # the same builds
    facts: Facts | None = None  # that they were tried with


def class_of(host: Host, vendor: Vendor) -> Host:
    """Return a host with that alone that resolving looks at: hosts that are equal in this get the same answer."""
    driver = host.driver(vendor.gpu or "")
    seen = dict.fromkeys(_kind_of(gpu) for gpu in host.chosen_of(vendor.gpu or ""))
    inbox = driver is not None and driver.flavour == "inbox" and any(gpu.kfd_node is None for gpu in seen)
    return Host(
        gpus=tuple(seen),
        drivers=(Driver(vendor=driver.vendor, version=driver.version, release=driver.release, flavour=driver.flavour),)
        if driver
        else (),
        wsl=host.wsl,
        architecture=host.architecture,
        kernel=host.kernel if inbox else None,  # by it an inbox driver is judged
    )


def _kind_of(gpu: Gpu) -> Gpu:
    """Return a GPU with that alone that resolving looks at; of KFD node and UUID, that it has them: it is driven."""
    return Gpu(
        vendor=gpu.vendor,
        name=gpu.name,
        architecture=gpu.architecture,
        partition=gpu.partition,
        integrated=gpu.integrated,
        kfd_node=None if gpu.kfd_node is None else 0,
        uuid="told" if gpu.uuid else None,
    )


def facts_of(catalogue: Catalogue, host: Host, wishes: Wishes, vendor: Vendor) -> Facts:
    """Return what the rules look at, for a class of hosts that lacks nothing."""
    driver = host.driver(vendor.gpu or "")
    gpus = host.chosen_of(vendor.gpu or "")
    machine = MACHINES.get(host.architecture, host.architecture)
    undriven = next(((gpu, why) for gpu in gpus if (why := not_driven(catalogue, host, gpu))), None)
    facts = Facts(catalogue, vendor, wishes, host.architecture, machine, host.wsl, gpus, driver, undriven)
    return KNOWLEDGE[vendor].complete(facts)


def lacking(host: Host, vendor: Vendor) -> Failure | None:
    """Return why a vendor's GPUs cannot be resolved for at all: none, none usable, or an unknown architecture."""
    if vendor.gpu is None:
        return None
    label = vendor.maker
    if not host.gpus_of(vendor.gpu):
        return _no_gpu(host, vendor)
    gpus, driver = host.chosen_of(vendor.gpu), host.driver(vendor.gpu)
    if driver is None or not gpus:
        return _not_usable(host, vendor, driver)
    unknown = next((gpu for gpu in gpus if gpu.architecture is None), None)
    if unknown:
        return _unknown_architecture(host, unknown, vendor)
    if driver.version is None and KNOWLEDGE[vendor].needs_version:
        return Failure("KGE-211", f"The {label} driver does not tell its version.")
    return None


def _no_gpu(host: Host, vendor: Vendor) -> Failure:
    looked, cause = f"looked at: {', '.join(host.looked_at) or 'the host file'}", cause_of(host, vendor)
    if cause and cause.severity is Severity.ERROR:
        return Failure("KGE-210", cause.text, cause=f"the probe found {cause.code}; {looked}", fix=cause.fix)
    return Failure(
        "KGE-210",
        f"The host has no {vendor.maker} GPU.",
        cause=looked,
        fix="take another --vendor, or name another machine with --host FILE (kgpu-env probe --json, run there)",
    )


def _not_usable(host: Host, vendor: Vendor, driver: Driver | None) -> Failure:
    """Return why nothing drives the GPUs: the finding to fix first, or else what the GPU itself tells."""
    told = [gpu.unusable for gpu in host.gpus_of(vendor.gpu or "") if gpu.unusable]
    what = f"There is an {vendor.maker} GPU, but its driver is not loaded."
    if driver or told:
        what = f"No {vendor.maker} GPU of this host can be used."
    if cause := cause_of(host, vendor):
        return Failure("KGE-211", what, cause=cause.text, fix=cause.fix or f"kgpu-env doctor {cause.code} tells more")
    why = told[0] if told else "no kernel driver answers for it"
    return Failure("KGE-211", what, cause=why, fix="install and load the driver, then run kgpu-env doctor")


def _unknown_architecture(host: Host, gpu: Gpu, vendor: Vendor) -> Failure:
    device = f"(device id {gpu.device_id})" if gpu.device_id else ""
    name = " ".join(filter(None, (vendor.maker, "GPU", gpu.pci or gpu.name, device)))
    why, step = "neither the driver's files nor its tools tell, and the device is not in the catalogue", ""
    known = KNOWLEDGE[vendor]
    if cause := cause_of(host, vendor, gpu):
        why, step = cause.text, cause.fix.rstrip(".")
    elif host.wsl:
        why, step = known.wsl_told
    elif known.tool:
        step = f"run kgpu-env probe on the host itself, with {known.tool} in PATH"
    else:
        step = "take a newer kgpu-env, or add the device id to the catalogue (--catalogue DIR)"
    return Failure(
        "KGE-213",
        f"The architecture of the {name} is not known.",
        cause=why,
        fix=f"{step}, or set gpus[].architecture in the host file",
    )


def names(gpus: tuple[Gpu, ...]) -> str:
    """Return the GPUs in words, each kind once."""
    kinds = sorted({f"{gpu.name or 'GPU'} ({gpu.architecture})" for gpu in gpus})
    return ", ".join(kinds)
