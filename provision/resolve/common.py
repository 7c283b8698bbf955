"""What resolving has in common for all vendors: a GPU and a loaded driver, names, and warnings of confidence."""

from provision.catalogue import rows
from provision.model import Gpu, Host, StackWarning, Vendor
from provision.model.inside import VENV
from provision.resolve.outcome import Failure


def site(python: str) -> str:
    """Return the folder of an image's Python packages."""
    return f"{VENV}/lib/python{python}/site-packages"


def machine(host: Host) -> str:
    """Return the processor as wheels name it: x86_64, aarch64."""
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(host.architecture, host.architecture)


def missing(host: Host, vendor: Vendor) -> Failure | None:
    """Return why a vendor's GPUs cannot be resolved for at all: none, no driver, or an unknown architecture."""
    maker, label = vendor.gpu or "", vendor.maker
    if not host.gpus_of(maker):
        looked = ", ".join(host.looked_at) or "the host file"
        return Failure(
            "KGE-210",
            f"The host has no {label} GPU.",
            why=f"looked at: {looked}",
            fix="take another --vendor, or name another machine with --host FILE (kgpu-env probe --json, run there)",
        )
    if host.driver(maker) is None:
        told = [one for one in host.findings if one.severity == "error"]
        return Failure(
            "KGE-211",
            f"There is an {label} GPU, but its driver is not loaded.",
            why=told[0].text if told else "no kernel driver answers for it",
            fix=(told[0].fix if told else "") or "install and load the driver, then run kgpu-env doctor",
        )
    unknown = [gpu for gpu in host.gpus_of(maker) if gpu.architecture is None]
    if unknown:
        return _unknown_architecture(host, unknown[0], label)
    return None


def _unknown_architecture(host: Host, gpu: Gpu, label: str) -> Failure:
    name = " ".join(filter(None, (label, "GPU", gpu.pci or gpu.name)))
    if gpu.vendor == "amd":
        step = "load the amdgpu driver and run kgpu-env probe again"
    elif host.wsl:
        step = "run nvidia-smi in the WSL distribution and, when it answers, kgpu-env probe there"
    else:
        step = "run kgpu-env probe on the host itself, with nvidia-smi in PATH"
    return Failure(
        "KGE-213",
        f"The architecture of the {name} is not known.",
        why="neither the driver's files nor its tools tell, and the device is not in the catalogue",
        fix=f"{step}, or set gpus[].architecture in the host file",
    )


def confidence(*used: rows.Row) -> tuple[StackWarning, ...]:
    """Return a warning for each row that is not confirmed."""
    return tuple(
        StackWarning(
            code=row.confidence,
            text=f"{row.id} is {row.confidence}: {row.note or 'see its source'} [{row.source}]",
        )
        for row in used
        if row.confidence != "confirmed"
    )


def names(gpus: tuple[Gpu, ...]) -> str:
    """Return the GPUs in words, each kind once."""
    kinds = sorted({f"{gpu.name or 'GPU'} ({gpu.architecture})" for gpu in gpus})
    return ", ".join(kinds)
