"""How a container is given the GPUs of a host, per vendor; pure.

Never `--privileged`, no change of the seccomp profile. What is asked for here is a request only: Podman 4
was seen to ignore it silently, so the proof looks inside the container whether the device is there.
"""

from collections.abc import Callable, Mapping
from typing import Final

from provision import model
from provision.engine.protocol import Access
from provision.errors import UsageError
from provision.model.complete import complete
from provision.model.vendor import ACCESS_KINDS, AccessKind, GpuVendor

OTHERS_MAY_OPEN = 0o006

Chosen = tuple[tuple[int, model.Gpu], ...]  # (index among the vendor's GPUs, GPU)


def device_access(host: model.Host, vendor: model.Vendor, gpus: str = "all") -> Access:
    """Return how the GPUs of `vendor` reach a container on `host`.

    Args:
        host: as probed; its engine decides between CDI and the older ways.
        vendor: cuda or rocm; auto and cpu get no GPU.
        gpus: "all", or indexes and UUIDs separated by commas: "0,1", "GPU-3f1c...".

    Raises:
        UsageError: KGE-306, an index or UUID that the host does not have.
    """
    row = model.GPU_VENDORS.get(vendor)
    if row is None:
        return Access()
    on_wsl = host.wsl and bool(host.gpus_of(row.maker) or host.driver(row.maker))
    if on_wsl and row.access_on_wsl is not None:
        return row.access_on_wsl
    chosen = _choose(host, row, gpus)
    if not chosen and not on_wsl:
        return Access()
    return _BY_KIND[row.access](host, row, chosen, gpus)


def _by_runtime(host: model.Host, row: GpuVendor, chosen: Chosen, gpus: str) -> Access:
    names = _cdi_names(host, row, chosen, every=_is_all(gpus))
    if names:
        return Access(method="cdi", cdi=names)
    ids = ("all",) if _is_all(gpus) else tuple(gpu.uuid or str(index) for index, gpu in chosen)
    if host.engine is not None and host.engine.name == "podman":
        # Podman knows no request to a runtime; a name without a spec makes it refuse, which is clear.
        return Access(method="cdi", cdi=tuple(f"{row.cdi_kind}={one}" for one in ids))
    # Also when no toolkit is known: the engine's refusal is the evidence that it is missing.
    return Access(method=f"{row.container_runtime}-runtime", runtime_ids=ids)


def _by_nodes(host: model.Host, row: GpuVendor, chosen: Chosen, gpus: str) -> Access:
    nodes = _nodes(host, row, chosen)
    # A CDI specification of device nodes adds no groups, which an image's own user needs.
    groups = tuple(sorted({node.gid for node in nodes if node.gid is not None and _needs_group(node)}))
    names = _cdi_names(host, row, chosen, every=_is_all(gpus))
    if names:
        return Access(method="cdi", cdi=names, groups=groups)
    return Access(method="device-nodes", nodes=tuple(node.path for node in nodes), groups=groups)


_BY_KIND: Final[Mapping[AccessKind, Callable[[model.Host, GpuVendor, Chosen, str], Access]]] = complete(
    "engine.access", {"runtime": _by_runtime, "nodes": _by_nodes}, ACCESS_KINDS
)


def _nodes(host: model.Host, row: GpuVendor, chosen: Chosen) -> tuple[model.DeviceNode, ...]:
    known = {node.path: node for node in host.nodes}
    shared = [known.get(path, model.DeviceNode(path=path)) for path in row.shared_nodes]
    own = [node for _, gpu in chosen for node in gpu.nodes if node.path.startswith(row.own_node)]
    return (*shared, *own)


def _needs_group(node: model.DeviceNode) -> bool:
    return node.mode is None or node.mode & OTHERS_MAY_OPEN != OTHERS_MAY_OPEN


def _is_all(gpus: str) -> bool:
    return gpus.strip().lower() == "all"


def _choose(host: model.Host, row: GpuVendor, gpus: str) -> Chosen:
    available: Chosen = tuple(enumerate(host.gpus_of(row.maker)))
    if _is_all(gpus):
        return available
    words = [word.strip() for word in gpus.split(",")]
    chosen = {index: gpu for word in words for index, gpu in available if _is(word, index, gpu)}
    missing = [word for word in words if not any(_is(word, index, gpu) for index, gpu in available)]
    if missing:
        raise _unknown(row, missing[0], available)
    return tuple(chosen.items())


def _is(word: str, index: int, gpu: model.Gpu) -> bool:
    if word.isascii() and word.isdecimal():
        return int(word) == index
    return bool(gpu.uuid) and word.lower() == (gpu.uuid or "").lower()


def _unknown(row: GpuVendor, word: str, gpus: Chosen) -> UsageError:
    listed = "; ".join(f"{index} = {gpu.name or 'GPU'} {gpu.uuid or gpu.pci or ''}".rstrip() for index, gpu in gpus)
    return UsageError(
        "KGE-306",
        f"this host has no {row.title} GPU {word!r}",
        cause=f"it has {listed}" if listed else f"it has no {row.title} GPU at all",
        fix="give --gpus all, or indexes and UUIDs from that list, separated by commas",
    )


def _cdi_names(host: model.Host, row: GpuVendor, chosen: Chosen, *, every: bool) -> tuple[str, ...]:
    """The engine's CDI names for the chosen GPUs; empty when it does not have a name for each of them."""
    offered = host.engine.cdi if host.engine is not None else ()
    if every and f"{row.cdi_kind}=all" in offered:
        return (f"{row.cdi_kind}=all",)
    names = [_cdi_name(offered, row, index, gpu) for index, gpu in chosen]
    return tuple(name for name in names if name) if all(names) else ()


def _cdi_name(offered: tuple[str, ...], row: GpuVendor, index: int, gpu: model.Gpu) -> str:
    own = f"{row.cdi_kind}={gpu.uuid}".lower()
    by_uuid = next((name for name in offered if gpu.uuid and name.lower() == own), "")
    # Where a number counts whole GPUs alone, a partition's own number names another GPU; a UUID is exact.
    miscounted = gpu.partition is not None and not row.cdi_numbers_partitions
    by_index = f"{row.cdi_kind}={index}"
    return by_uuid or (by_index if by_index in offered and not miscounted else "")
