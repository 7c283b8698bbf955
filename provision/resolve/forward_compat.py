"""NVIDIA's forward compatibility: which hosts run a newer CUDA than their driver's, by the image's own libcuda."""

import re
from collections.abc import Iterable

from provision.catalogue import Catalogue, rows
from provision.model import DriverVersion, Gpu, version_key
from provision.resolve.candidate import Facts

# Text, compiled when a driver is older than what an image asks for. A100-SXM4-40GB, Tesla T4, L40S, GH200 480GB
_DATA_CENTRE = r"\bTesla\b|\b(?:[ABHLV]\d{1,3}[A-Z]*|P(?:4|6|40|100)|T(?:4G?|10|40)|G[BH]\d{3})\b"
# RTX A6000; A800 40GB Active, a workstation's; A100-10C, a virtual GPU
_OTHERS = r"rtx|geforce|quadro|titan|grid|laptop|active|-\d+[ABCQ]\b"


def library(
    catalogue: Catalogue, cuda: str, driver: DriverVersion, gpus: Iterable[Gpu], *, doubtful: bool = False
) -> rows.ForwardCompat | None:
    """Return the cuda-compat library of a CUDA that can replace the host's libcuda, or None where none can.

    It has to be newer than the driver, know the driver's branch, and all GPUs have to be for data centres.

    Args:
        catalogue: its `compat`.
        cuda: "12.9.1" or "12.9".
        driver: on Linux; below WSL2 lies a Windows driver, which has no such library.
        gpus: the host's.
        doubtful: whether a row that is not confirmed counts too: for telling, never for choosing.
    """
    series = ".".join(cuda.split(".")[:2])
    row = next((one for one in catalogue.nvidia.compat if one.cuda == series), None)
    if row is None or not (doubtful or row.confidence == "confirmed") or driver.branch not in row.branches:
        return None
    return row if driver < DriverVersion(row.driver) and all(map(data_centre, gpus)) else None


def compat_of(facts: Facts, base: rows.CudaBase | None, *, doubtful: bool = False) -> rows.ForwardCompat | None:
    """Return the library in a base image that replaces the host's libcuda, as `library` does."""
    if base is None or facts.version is None or facts.wsl:
        return None
    return library(facts.catalogue, base.cuda, facts.version, facts.gpus, doubtful=doubtful)


def driver_cuda(facts: Facts, base: rows.CudaBase | None) -> str:
    """Return the newest CUDA that the driver's API has in a container of `base`, so the newest PTX that it loads."""
    row = compat_of(facts, base)
    return max(facts.cuda, row.cuda, key=version_key) if row else facts.cuda


def data_centre(gpu: Gpu) -> bool:
    """Tell by its name whether a product is one for data centres; on others a cuda-compat library ends in error 804.

    A virtual GPU ("A100-10C") and a product without a name are none: it is not known that the library serves them.
    """
    name = gpu.name or ""
    return not re.search(_OTHERS, name, flags=re.IGNORECASE) and bool(re.search(_DATA_CENTRE, name))
