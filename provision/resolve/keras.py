"""Keras on something else than TensorFlow: one backend after the other."""

from collections.abc import Iterator

from provision.catalogue import Catalogue
from provision.compat import assert_never
from provision.model import Backend, Host, Request, Vendor
from provision.resolve.common import names
from provision.resolve.outcome import Failure, Outcome, none_left
from provision.resolve.trial import Refused, Trial, explained, first_stack


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
    refused: tuple[Refused, ...] = ()
    for backend in backends:
        trials = _trials(catalogue, host, request, vendor, backend)
        if isinstance(trials, Failure):
            return trials
        tried = first_stack(trials)
        refused += tried.refused
        if tried.stack:
            return explained(tried.stack, refused)
    gpus = host.gpus_of(vendor.gpu or "")
    return none_left(refused, f"this host with {names(gpus)}" if gpus else "this host", request)


def _trials(
    catalogue: Catalogue, host: Host, request: Request, vendor: Vendor, backend: Backend
) -> Iterator[Trial] | Failure:
    match vendor:
        case Vendor.CUDA:
            from provision.resolve import keras_cuda  # noqa: PLC0415 - AMD hosts do without

            return keras_cuda.trials(catalogue, host, request, backend)
        case Vendor.ROCM:
            from provision.resolve import keras_rocm  # noqa: PLC0415 - NVIDIA hosts do without

            return keras_rocm.trials(catalogue, host, request, backend)
        case Vendor.CPU:
            from provision.resolve import keras_cpu  # noqa: PLC0415 - hosts with a GPU do without

            return keras_cpu.trials(catalogue, host, request, backend)
        case Vendor.AUTO:
            raise ValueError("auto is decided before a vendor is resolved")
        case _:
            assert_never(vendor)
