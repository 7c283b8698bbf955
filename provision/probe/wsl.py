"""WSL2: the PCI bus shows no GPU, Windows owns the driver, and its libraries lie in one directory."""

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath as Path
from typing import Final

from provision.model import VENDORS, Driver, Gpu, Maker
from provision.probe import findings
from provision.probe.collector import FILE_BYTES
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
    """Return what changes with a maker's driver, of which no file here tells the version.

    A new driver is a folder more in the store. After a way back to an older one the folders are the same: the library
    is that of the active driver.
    """
    row = VENDORS[maker].row
    folders = tuple(name for name in reader.names(_STORE) if re.fullmatch(row.wsl_store, name))
    # As much as a capture holds of it, which GNU tar may have filled up.
    library = (reader.data(row.wsl_library, FILE_BYTES) or b"").rstrip(b"\0")
    if not library:
        return folders
    return (*folders, f"{Path(row.wsl_library).name} {hashlib.sha256(library).hexdigest()[:16]}")
