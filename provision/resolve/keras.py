"""Keras on something else than TensorFlow: one backend after the other."""

from typing import assert_never

from msgspec.structs import replace

from provision.catalogue import Catalogue
from provision.model import Backend, Host, Rejection, Request, Vendor
from provision.resolve.common import names
from provision.resolve.keras_cpu import try_cpu
from provision.resolve.outcome import Failure, Outcome, Tried, none_left, why_not_newer


def resolve_keras(
    catalogue: Catalogue, host: Host, request: Request, vendor: Vendor, backends: tuple[Backend, ...]
) -> Outcome:
    """Return the newest stack of the first backend that has one for the host, or why none has.

    Args:
        catalogue: the facts.
        host: as probed.
        request: its `backend` is not looked at.
        vendor: not auto.
        backends: in the order of preference.
    """
    refused: list[Rejection] = []
    for backend in backends:
        tried = _try(catalogue, host, request, vendor, backend)
        if isinstance(tried, Failure):
            return tried
        refused += tried.rejected
        if tried.stack:
            return replace(tried.stack, why=why_not_newer(refused), rejected=tuple(refused))
    gpus = host.gpus_of(vendor.gpu or "")
    return none_left(refused, f"this host with {names(gpus)}" if gpus else "this host", request)


def broken(
    catalogue: Catalogue, host: Host, request: Request, vendor: Vendor, backends: tuple[Backend, ...]
) -> list[frozenset[str]]:
    """Return the names of the rules that each candidate of the backends breaks; nothing for the CPU."""
    match vendor:
        case Vendor.CUDA:
            from provision.resolve.keras_cuda import broken as found  # noqa: PLC0415 - AMD hosts do without
        case Vendor.ROCM:
            from provision.resolve.keras_rocm import broken as found  # noqa: PLC0415 - NVIDIA hosts do without
        case _:
            return []
    return [rules for backend in backends for rules in found(catalogue, host, request, backend)]


def _try(catalogue: Catalogue, host: Host, request: Request, vendor: Vendor, backend: Backend) -> Tried | Failure:
    match vendor:
        case Vendor.CUDA:
            from provision.resolve.keras_cuda import try_cuda  # noqa: PLC0415 - as above

            return try_cuda(catalogue, host, request, backend)
        case Vendor.ROCM:
            from provision.resolve.keras_rocm import try_rocm  # noqa: PLC0415 - as above

            return try_rocm(catalogue, host, request, backend)
        case Vendor.CPU:
            return try_cpu(catalogue, host, request, backend)
        case Vendor.AUTO:
            raise ValueError("auto is decided before a vendor is resolved")
        case _:
            assert_never(vendor)
