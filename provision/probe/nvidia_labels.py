"""What GPU Feature Discovery tells of a Kubernetes node.

Source: https://github.com/NVIDIA/k8s-device-plugin, docs/gpu-feature-discovery/README.md at 90c0589d, internal/lm at
b9fe486d (checked 2026-11-30). It labels one model of a node: of several, which one is left to chance.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from msgspec.structs import replace

from provision.model import Driver, Gpu
from provision.probe.lookups import Lookups
from provision.probe.nvidia_parsers import architecture, parse_version
from provision.probe.vendor_probe import MOST_GPUS, NodeTold, UntoldError, VendorPart
from provision.probe.vendor_probe import whole_number as number

_PREFIX: Final = "nvidia.com/"
_SHARED: Final = "-SHARED"  # after the name of a GPU that is shared by time slices
_PROFILE: Final = r"[0-9]+g\.[0-9]+gb[a-z.]*"
_SLICE: Final = re.compile(rf"(.+)-MIG-({_PROFILE})")
_SLICES: Final = re.compile(rf"mig-({_PROFILE})\.count")
_CAPABILITY: Final = re.compile(r"[0-9]{1,2}\.[0-9]")
_MIB: Final = 1 << 20


def nvidia_labels(node: NodeTold, _: Lookups) -> VendorPart | None:
    """Return GPUs and driver as the labels tell them; None: they tell of no GPU.

    Raises:
        UntoldError: they leave something open.
    """
    told = node.below(_PREFIX)
    if "gpu.product" not in told:
        return None
    version = parse_version(_version(told, "driver", "revision", "rev"))
    if not version:
        raise UntoldError(f"no label tells its driver ({_PREFIX}cuda.driver-version.full)")
    capability = ".".join(told.get(f"gpu.compute.{part}", "") for part in ("major", "minor"))
    if not _CAPABILITY.fullmatch(capability):
        raise UntoldError(f"no label tells the compute capability of its GPUs ({_PREFIX}gpu.compute.major)")
    name = told["gpu.product"].removesuffix(_SHARED)
    whole = Gpu(vendor="nvidia", name=name, architecture=architecture(capability))
    cuda = parse_version(_version(told, "runtime"))
    driver = Driver(vendor="nvidia", version=version, cuda=cuda)
    return VendorPart(gpus=tuple(_gpus(node, told, whole)), driver=driver)


def _version(told: Mapping[str, str], what: str, *last: str) -> str:
    """Return a version, of its own label or of those of its parts, as old releases have them."""
    full = told.get(f"cuda.{what}-version.full")
    if full:
        return full
    parts = [next((told[name] for name in names if name in told), "") for names in _parts(what, last)]
    return ".".join(filter(None, parts))


def _parts(what: str, last: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for part in ("major", "minor"):
        yield f"cuda.{what}-version.{part}", f"cuda.{what}.{part}"
    yield tuple(f"cuda.{what}{middle}.{part}" for part in last for middle in ("-version", ""))


def _gpus(node: NodeTold, told: Mapping[str, str], whole: Gpu) -> Iterator[Gpu]:
    count, times = number(told.get("gpu.count")), max(number(told.get("gpu.replicas")) or 0, 1)
    offered = node.offered(f"{_PREFIX}gpu")
    shared = node.offered(f"{_PREFIX}gpu.shared")
    have = None if offered is shared is None else ((offered or 0) + (shared or 0)) // times
    mixed = {found[1]: number(value) or 0 for name, value in told.items() if (found := _SLICES.fullmatch(name))}
    if sum(mixed.values()) + (have or 0) + (count or 0) > MOST_GPUS:
        raise UntoldError("its labels tell of more GPUs than a node can have")
    if mixed and have is not None:
        yield from [whole] * have
        for profile, many in sorted(mixed.items()):
            yield from [replace(whole, partition=profile)] * many
    elif mixed or not count or have not in {None, count}:
        seen = "nothing" if have is None else str(have)
        raise UntoldError(
            f"its labels tell of {count or 0} GPUs of the model {whole.name}, its device plugin offers {seen}: they "
            "are of several models, cut into slices of several sizes, or the labels are of the past"
        )
    elif found := _SLICE.fullmatch(whole.name or ""):
        yield from [replace(whole, name=found[1], partition=found[2])] * count
    else:
        memory = number(told.get("gpu.memory"))
        yield from [replace(whole, memory_bytes=memory * _MIB if memory else None)] * count
