"""NVIDIA's forward compatibility: which hosts run a newer CUDA than their driver's, by the image's own libcuda."""

import re

from provision.catalogue import rows
from provision.model import DriverVersion, Gpu, version_key
from provision.resolve.cuda_candidate import Facts

# Text, compiled when a driver is older than what an image asks for.
_DATA_CENTRE = r"\bTesla\b|\b(?:[ABHLPTV]\d{1,3}[A-Z]*|G[BH]\d{3})\b"  # Tesla T4, A100-SXM4-40GB, L40S, GH200 480GB
_OTHERS = r"rtx|geforce|quadro|titan|grid|-\d+[ABCQ]\b"  # RTX A6000; the last one is a virtual GPU


def compat_of(facts: Facts, base: rows.CudaBase | None) -> rows.ForwardCompat | None:
    """Return the cuda-compat library in `base` that replaces the host's libcuda, or None where none does.

    It has to be newer than the driver, know the driver's branch, and all GPUs have to be for data centres; only a
    confirmed row counts. Below WSL2 lies a Windows driver, which has no such library.
    """
    if base is None or facts.wsl or not all(data_centre(gpu) for gpu in facts.gpus):
        return None
    cuda = ".".join(base.cuda.split(".")[:2])
    row = next((one for one in facts.catalogue.nvidia.compat if one.cuda == cuda), None)
    if row is None or row.confidence != "confirmed" or facts.driver.branch not in row.branches:
        return None
    return row if facts.driver < DriverVersion(row.driver) else None


def driver_cuda(facts: Facts, base: rows.CudaBase | None) -> str:
    """Return the newest CUDA that the driver's API has in a container of `base`, so the newest PTX that it loads."""
    row = compat_of(facts, base)
    return max(facts.driver_cuda, row.cuda, key=version_key) if row else facts.driver_cuda


def data_centre(gpu: Gpu) -> bool:
    """Tell by its name whether a product is one for data centres; on others a cuda-compat library ends in error 804.

    A virtual GPU ("A100-10C") and a product without a name are none: it is not known that the library serves them.
    """
    name = gpu.name or ""
    return not re.search(_OTHERS, name, flags=re.IGNORECASE) and bool(re.search(_DATA_CENTRE, name))
