"""WSL2: the PCI bus shows no GPU, Windows owns the driver, and its libraries lie in one directory."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from provision.model import VENDORS, Driver, Gpu, Maker
from provision.probe import findings
from provision.probe.reader import Reader
from provision.probe.system import DXG
from provision.probe.vendor_probe import VendorPart

LIBRARIES: Final = "/usr/lib/wsl/lib"
_STORE: Final = "/usr/lib/wsl/drivers"  # Windows' driver store


def probe_wsl(reader: Reader, serves: Mapping[Maker, Callable[[Reader], bool]]) -> tuple[VendorPart, ...]:
    """Return what a WSL2 host tells: a GPU of each vendor whose library is there, names and number unknown.

    Args:
        reader: reads the host's files.
        serves: tells of each maker whether its library is there.
    """
    nodes = reader.nodes(DXG)
    if not nodes:
        return (VendorPart(findings=(findings.wsl2(), findings.wsl_without_gpu())),)
    served = [maker for maker, is_there in serves.items() if is_there(reader)]
    found = () if served else (findings.wsl_without_libraries(),)
    parts = [
        VendorPart(
            gpus=(Gpu(vendor=maker, nodes=nodes),),
            driver=Driver(vendor=maker, flavour="wsl", store=_store(reader, maker)),
        )
        for maker in served
    ]
    return (VendorPart(findings=(findings.wsl2(), *found), nodes=nodes), *parts)


def _store(reader: Reader, maker: Maker) -> tuple[str, ...]:
    """Return the folders of a maker's drivers: no file here tells their version, and a new one is a folder more."""
    pattern = VENDORS[maker].row.wsl_store
    return tuple(name for name in reader.names(_STORE) if re.fullmatch(pattern, name))
