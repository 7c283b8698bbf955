"""How a container is given the GPUs of a host, per vendor; pure.

Never `--privileged`, no change of the seccomp profile. What is asked for here is a request only: Podman 4
was seen to ignore it silently, so the proof looks inside the container whether the device is there.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from msgspec.structs import replace

from provision import model
from provision.engine.protocol import Access
from provision.model import selection
from provision.model.complete import complete
from provision.model.selection import Chosen
from provision.model.vendor import ACCESS_KINDS, AccessKind, GpuVendor

OTHERS_MAY_OPEN = 0o006


class _Wanted(NamedTuple):
    """The GPUs that a container is to get; `every`: they are all that the maker's tools know."""

    chosen: Chosen
    every: bool


def device_access(host: model.Host, vendor: model.Vendor, gpus: str = "all") -> Access:
    """Return how the GPUs of `vendor` reach a container on `host`.

    Args:
        host: as probed; its engine decides between CDI and the older ways.
        vendor: cuda or rocm; auto and cpu get no GPU.
        gpus: "all", or names of GPUs separated by commas, as `selection.select` takes them.

    Raises:
        UsageError: KGE-306, a name of no usable GPU of the host.
    """
    row = model.GPU_VENDORS.get(vendor)
    if row is None:
        return Access()
    on_wsl = host.wsl and bool(host.gpus_of(row.maker) or host.driver(row.maker))
    if on_wsl and row.access_on_wsl is not None:
        return row.access_on_wsl
    chosen = selection.select(host, row.maker, gpus)
    if not chosen and not on_wsl:
        return Access()
    # "All" of a toolkit are the usable ones, also an integrated GPU that is not chosen beside a card.
    every = selection.is_all(gpus) and len(chosen) == len(host.usable_of(row.maker))
    return _for_podman(host, _BY_KIND[row.access](host, row, _Wanted(chosen, every)))


def _for_podman(host: model.Host, access: Access) -> Access:
    """Return what Podman needs besides (https://docs.podman.io/en/latest/markdown/podman-run.1.html, --group-add)."""
    if not host.uses_podman:
        return access
    kept = bool(access.groups) and host.rootless
    return replace(access, groups=() if kept else access.groups, keep_groups=kept, no_label=host.selinux)


def _by_runtime(host: model.Host, row: GpuVendor, wanted: _Wanted) -> Access:
    names = _cdi_names(host, row, wanted)
    if names:
        return Access(method="cdi", cdi=names)
    # A partition's UUID is exact; all of them together are no use to a process, and whoever reads can take one out.
    named = all(gpu.partition and selection.own_uuid(host, gpu) for _, gpu in wanted.chosen)
    ids = (
        ("all",)
        if wanted.every and not (named and wanted.chosen)
        else tuple(selection.own_uuid(host, gpu) or str(selection.number(host, gpu)) for _, gpu in wanted.chosen)
    )
    if host.uses_podman:
        # Podman knows no request to a runtime; a name without a spec makes it refuse, which is clear.
        return Access(method="cdi", cdi=tuple(f"{row.cdi_kind}={one}" for one in ids))
    # Also when no toolkit is known: the engine's refusal is the evidence that it is missing.
    return Access(method=f"{row.container_runtime}-runtime", runtime_ids=ids)


def _by_nodes(host: model.Host, row: GpuVendor, wanted: _Wanted) -> Access:
    nodes = _nodes(host, row, wanted.chosen)
    # A CDI specification of device nodes adds no groups, which an image's own user needs.
    groups = tuple(sorted({node.gid for node in nodes if node.gid is not None and _needs_group(node)}))
    names = _cdi_names(host, row, wanted)
    if names:
        return Access(method="cdi", cdi=names, groups=groups)
    return Access(method="device-nodes", nodes=tuple(node.path for node in nodes), groups=groups)


_BY_KIND: Final[Mapping[AccessKind, Callable[[model.Host, GpuVendor, _Wanted], Access]]] = complete(
    "engine.access", {"runtime": _by_runtime, "nodes": _by_nodes}, ACCESS_KINDS
)


def _nodes(host: model.Host, row: GpuVendor, chosen: Chosen) -> tuple[model.DeviceNode, ...]:
    known = {node.path: node for node in host.nodes}
    shared = [known.get(path, model.DeviceNode(path=path)) for path in row.shared_nodes]
    own = [node for _, gpu in chosen for node in gpu.nodes if node.path.startswith(row.own_node)]
    return (*shared, *own)


def _needs_group(node: model.DeviceNode) -> bool:
    return node.mode is None or node.mode & OTHERS_MAY_OPEN != OTHERS_MAY_OPEN


def _cdi_names(host: model.Host, row: GpuVendor, wanted: _Wanted) -> tuple[str, ...]:
    """The engine's CDI names for the chosen GPUs; empty when it does not have a name for each of them."""
    offered = host.engine.cdi if host.engine is not None else ()
    if wanted.every and f"{row.cdi_kind}=all" in offered:
        return (f"{row.cdi_kind}=all",)
    names = [_cdi_name(offered, row, host, gpu) for _, gpu in wanted.chosen]
    return tuple(name for name in names if name) if all(names) else ()


def _cdi_name(offered: tuple[str, ...], row: GpuVendor, host: model.Host, gpu: model.Gpu) -> str:
    uuid = selection.own_uuid(host, gpu)
    own = f"{row.cdi_kind}={uuid}".lower()
    by_uuid = next((name for name in offered if uuid and name.lower() == own), "")
    # Where a number counts whole GPUs alone, a partition's own number names another GPU; a UUID is exact.
    miscounted = gpu.partition is not None and not row.cdi_numbers_partitions
    by_index = f"{row.cdi_kind}={selection.number(host, gpu)}"
    return by_uuid or (by_index if by_index in offered and not miscounted else "")
