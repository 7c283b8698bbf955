"""Resolving for one vendor, whose rules are imported when they are needed: a start has little time."""

from provision.catalogue import Catalogue
from provision.compat import assert_never
from provision.model import Host, Request, Stack, Vendor
from provision.resolve.outcome import Outcome

__all__ = ["resolve_tensorflow", "resolve_vendor"]


def resolve_vendor(catalogue: Catalogue, host: Host, request: Request, vendor: Vendor) -> Outcome:
    """Return the newest stack of `vendor` for the host, or why there is none.

    It is one of TensorFlow, unless another backend is asked for, or no build of TensorFlow serves the host's GPUs.
    """
    if request.backend and request.backend != "tensorflow":
        from provision.resolve.keras import resolve_keras  # noqa: PLC0415 - see above

        return resolve_keras(catalogue, host, request, vendor, (request.backend,))
    found = resolve_tensorflow(catalogue, host, request, vendor)
    if isinstance(found, Stack):
        return found
    from provision.resolve.fallback import keras_instead  # noqa: PLC0415 - see above

    return keras_instead(catalogue, host, request, vendor, found)


def resolve_tensorflow(catalogue: Catalogue, host: Host, request: Request, vendor: Vendor) -> Outcome:
    """Return the newest stack of TensorFlow, or why there is none; nothing stands in for it."""
    match vendor:
        case Vendor.CUDA:
            from provision.resolve.cuda_trial import resolve_cuda  # noqa: PLC0415 - see above

            return resolve_cuda(catalogue, host, request)
        case Vendor.ROCM:
            from provision.resolve.rocm_stack import resolve_rocm  # noqa: PLC0415 - see above

            return resolve_rocm(catalogue, host, request)
        case Vendor.CPU:
            from provision.resolve.cpu_stack import resolve_cpu  # noqa: PLC0415 - see above

            return resolve_cpu(catalogue, host, request)
        case Vendor.AUTO:
            raise ValueError("auto is decided before a vendor is resolved")
        case _:
            assert_never(vendor)
