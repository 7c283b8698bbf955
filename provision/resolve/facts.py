"""From a host to the class of hosts that it belongs to, and from that to the facts that the rules look at."""

from msgspec import Struct

from provision.catalogue import Catalogue
from provision.model import Driver, Gpu, Host, Rejection, Vendor
from provision.resolve.candidate import Build, Facts, Wishes
from provision.resolve.vendors import KNOWLEDGE


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
    seen = {(gpu.name, gpu.architecture, gpu.partition, gpu.integrated): gpu for gpu in host.gpus_of(vendor.gpu or "")}
    return Host(
        gpus=tuple(
            Gpu(vendor=gpu.vendor, name=name, architecture=architecture, partition=partition, integrated=integrated)
            for (name, architecture, partition, integrated), gpu in seen.items()
        ),
        drivers=(Driver(vendor=driver.vendor, version=driver.version, release=driver.release, flavour=driver.flavour),)
        if driver
        else (),
        wsl=host.wsl,
        architecture=host.architecture,
    )


def facts_of(catalogue: Catalogue, host: Host, wishes: Wishes, vendor: Vendor) -> Facts:
    """Return what the rules look at, for a class of hosts that lacks nothing."""
    driver = host.driver(vendor.gpu or "")
    gpus = host.gpus_of(vendor.gpu or "")
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(host.architecture, host.architecture)
    facts = Facts(catalogue, vendor, wishes, host.architecture, machine, host.wsl, gpus, driver)
    return KNOWLEDGE[vendor].complete(facts)


def lacking(host: Host, vendor: Vendor) -> Failure | None:
    """Return why a vendor's GPUs cannot be resolved for at all: none, no driver, or an unknown architecture."""
    if vendor.gpu is None:
        return None
    gpus, label = host.gpus_of(vendor.gpu), vendor.maker
    if not gpus:
        looked = ", ".join(host.looked_at) or "the host file"
        return Failure(
            "KGE-210",
            f"The host has no {label} GPU.",
            cause=f"looked at: {looked}",
            fix="take another --vendor, or name another machine with --host FILE (kgpu-env probe --json, run there)",
        )
    driver = host.driver(vendor.gpu)
    if driver is None:
        told = [one for one in host.findings if one.severity == "error"]
        return Failure(
            "KGE-211",
            f"There is an {label} GPU, but its driver is not loaded.",
            cause=told[0].text if told else "no kernel driver answers for it",
            fix=(told[0].fix if told else "") or "install and load the driver, then run kgpu-env doctor",
        )
    unknown = next((gpu for gpu in gpus if gpu.architecture is None), None)
    if unknown:
        return _unknown_architecture(host, unknown, vendor)
    if driver.version is None and KNOWLEDGE[vendor].needs_version:
        return Failure("KGE-211", f"The {label} driver does not tell its version.")
    return None


def _unknown_architecture(host: Host, gpu: Gpu, vendor: Vendor) -> Failure:
    name, tool = " ".join(filter(None, (vendor.maker, "GPU", gpu.pci or gpu.name))), KNOWLEDGE[vendor].tool
    if not tool:
        step = f"load the {vendor.row.kernel_driver} driver and run kgpu-env probe again"
    elif host.wsl:
        step = f"run {tool} in the WSL distribution and, when it answers, kgpu-env probe there"
    else:
        step = f"run kgpu-env probe on the host itself, with {tool} in PATH"
    return Failure(
        "KGE-213",
        f"The architecture of the {name} is not known.",
        cause="neither the driver's files nor its tools tell, and the device is not in the catalogue",
        fix=f"{step}, or set gpus[].architecture in the host file",
    )


def names(gpus: tuple[Gpu, ...]) -> str:
    """Return the GPUs in words, each kind once."""
    kinds = sorted({f"{gpu.name or 'GPU'} ({gpu.architecture})" for gpu in gpus})
    return ", ".join(kinds)
