"""WSL2: the PCI bus shows no GPU, Windows owns the driver, and its libraries lie in one directory."""

from typing import Final

from provision.model import Driver, Gpu
from provision.probe import findings
from provision.probe.reader import Reader
from provision.probe.system import DXG
from provision.probe.vendor_probe import VendorPart

LIBRARIES: Final = "/usr/lib/wsl/lib"
_ROCDXG: Final = "/opt/rocm/lib/librocdxg.so"  # AMD's bridge, which the user installs (facts: amd.md, section 4f)


def probe_wsl(reader: Reader) -> tuple[VendorPart, ...]:
    """Return what a WSL2 host tells: a GPU of each vendor whose library is there, names and number unknown.

    Windows puts libcuda.so there only when its NVIDIA driver is installed.
    """
    nodes = reader.nodes(DXG)
    if not nodes:
        return (VendorPart(findings=(findings.wsl2(), findings.wsl_without_gpu())),)
    cuda = any(name.startswith("libcuda.so") for name in reader.names(LIBRARIES))
    amd = reader.exists(_ROCDXG)
    parts = [VendorPart(findings=(findings.wsl2(),), nodes=nodes)]
    if cuda:
        driver = Driver(vendor="nvidia", flavour="wsl")
        parts.append(VendorPart(gpus=(Gpu(vendor="nvidia", nodes=nodes),), driver=driver))
    if amd:
        parts.append(VendorPart(gpus=(Gpu(vendor="amd", nodes=nodes),), driver=Driver(vendor="amd", flavour="wsl")))
    if not cuda and not amd:
        parts.append(VendorPart(findings=(findings.wsl_without_libraries(),)))
    return tuple(parts)
