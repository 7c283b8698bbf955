"""What a probe finds out about an NVIDIA GPU and its driver; the codes of all vendors are in `findings`."""

from collections.abc import Iterable

from provision.model import Finding, Severity

_ERROR = Severity.ERROR


def library_mismatch(kernel: str, libraries: Iterable[str]) -> Finding:
    """KGE-106: the loaded module and the libraries on disk are of different versions."""
    return Finding(
        code="KGE-106",
        severity=_ERROR,
        text=f"The loaded NVIDIA module is {kernel}, its libraries on disk are {', '.join(libraries)}: "
        "CUDA and NVML refuse to start.",
        fix="Reboot, so that the module of the installed driver is loaded.",
    )


def tegra() -> Finding:
    """KGE-110: a Jetson, whose integrated GPU is not on the PCI bus."""
    return Finding(
        code="KGE-110",
        severity=_ERROR,
        text="This is an NVIDIA Tegra (Jetson): TensorFlow's wheels on PyPI do not cover its integrated GPU.",
        fix="Use NVIDIA's own container images for Jetson.",
    )


def mig_without_instances(address: str) -> Finding:
    """KGE-139: MIG is on, and no instance was made."""
    return Finding(
        code="KGE-139",
        severity=_ERROR,
        text=f"MIG is on for the NVIDIA GPU at {address} and has no instances: CUDA sees nothing on it.",
        fix=f"Make instances (`sudo nvidia-smi mig -i {address} -lgip`, then -cgi PROFILE -C), or switch MIG off: "
        f"sudo nvidia-smi -i {address} -mig 0. Check: nvidia-smi -L",
    )


def memory_errors(address: str, what: str) -> Finding:
    """KGE-134: the driver counts faults of the GPU's memory."""
    return Finding(
        code="KGE-134",
        severity=Severity.WARNING,
        text=f"The NVIDIA GPU at {address} has {what}.",
        fix=f"`sudo nvidia-smi -r -i {address}` (nobody may use it then), or reboot; if it comes back, replace the "
        "card. Check: nvidia-smi -q -d ECC,ROW_REMAPPER",
    )
