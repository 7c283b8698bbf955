"""GPUs that no single stack serves: the smallest set of stacks that serves them all."""

from itertools import combinations

from msgspec.structs import replace

from provision.catalogue import Catalogue
from provision.model import Change, Host, Request, Stack, Vendor
from provision.resolve.vendors import resolve_vendor

_MOST = 5  # kinds of GPUs in one host; beyond that the subsets are too many to try


def split(catalogue: Catalogue, host: Host, request: Request, vendor: Vendor) -> tuple[Change, ...]:
    """Return one change per stack, each for some kinds of the host's GPUs.

    Empty when the host has one kind. When some kind is served by none, the largest part that is served comes back.
    """
    kinds = tuple(sorted({gpu.architecture or "" for gpu in host.gpus_of(vendor.gpu or "")}))
    if not 1 < len(kinds) <= _MOST:
        return ()
    served: dict[tuple[str, ...], Stack] = {}
    for size in range(len(kinds) - 1, 0, -1):
        for part in combinations(kinds, size):
            stack = resolve_vendor(catalogue, _only(host, vendor, part), request, vendor)
            if isinstance(stack, Stack):
                served[part] = stack
    for count in range(1, len(kinds) + 1):
        for parts in combinations(served, count):
            if sum(map(len, parts)) == len(kinds) == len({kind for part in parts for kind in part}):
                return tuple(Change(change=f"{', '.join(part)} alone", gives=served[part].summary) for part in parts)
    return tuple(Change(change=f"{', '.join(part)} alone", gives=served[part].summary) for part in list(served)[:1])


def _only(host: Host, vendor: Vendor, kinds: tuple[str, ...]) -> Host:
    gpus = tuple(gpu for gpu in host.gpus if gpu.vendor == vendor.gpu and gpu.architecture in kinds)
    return replace(host, gpus=gpus)
