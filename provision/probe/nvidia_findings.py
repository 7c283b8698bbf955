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
