"""Resolving for one vendor."""

from typing import assert_never

from provision.catalogue import Catalogue
from provision.model import Host, Request, Vendor
from provision.resolve.common import VENV
from provision.resolve.cpu_stack import resolve_cpu
from provision.resolve.cuda_stack import resolve_cuda
from provision.resolve.outcome import Outcome
from provision.resolve.rocm_stack import resolve_rocm

__all__ = ["VENV", "resolve_vendor"]


def resolve_vendor(catalogue: Catalogue, host: Host, request: Request, vendor: Vendor) -> Outcome:
    """Return the newest stack of `vendor` for the host, or why there is none."""
    match vendor:
        case Vendor.CUDA:
            return resolve_cuda(catalogue, host, request)
        case Vendor.ROCM:
            return resolve_rocm(catalogue, host, request)
        case Vendor.CPU:
            return resolve_cpu(catalogue, host, request)
        case Vendor.AUTO:
            raise ValueError("auto is decided before a vendor is resolved")
        case _:
            assert_never(vendor)
