"""Keras on JAX or torch where TensorFlow serves the GPUs with no build at all."""

from typing import Final

from msgspec.structs import replace

from provision.catalogue import Catalogue
from provision.model import TITLES, Backend, Host, Request, Stack, StackWarning, Vendor
from provision.resolve.conflict import smallest_cover, tensorflow_broken
from provision.resolve.cuda_stack import resolve_cuda
from provision.resolve.keras import broken, resolve_keras
from provision.resolve.outcome import Failure, Outcome, why_not_newer
from provision.resolve.rules import bracketed

# JAX first: XLA compiles a model for the GPU that it finds, as it does for TensorFlow. torch serves what JAX does not.
BACKENDS: Final[tuple[Backend, ...]] = ("jax", "torch")
# Rules that speak of what was asked for, or of what the site allows, and not of the GPU.
_WISHES: Final = {"house", "requested-tensorflow", "requested-python", "requested-cuda", "requested-rocm"}
_OF_THE_BASE: Final = {"requested-base", "python", "glibc", "require-cuda", "cuda-version", "cudnn-version"}
_OF_THE_DRIVER: Final = {"driver-minimum", "driver-window", "ptx-driver", "wsl-driver"}


def keras_instead(catalogue: Catalogue, host: Host, request: Request, vendor: Vendor, failure: Failure) -> Outcome:
    """Return a stack of Keras on another backend, or `failure`, with what was refused of the others, too."""
    if not applies(catalogue, host, request, vendor, failure):
        return failure
    found = resolve_keras(catalogue, host, request, vendor, BACKENDS)
    if isinstance(found, Failure):
        return failure._replace(rejected=(*failure.rejected, *found.rejected))
    on_image = _on_image(catalogue, host, request, vendor)
    warning = _warning(found, failure, tensorflow_broken(catalogue, host, request, vendor), on_image)
    return replace(
        found,
        why=why_not_newer(failure.rejected),
        warnings=(warning, *found.warnings),
        rejected=(*failure.rejected, *found.rejected),
    )


def applies(catalogue: Catalogue, host: Host, request: Request, vendor: Vendor, failure: Failure) -> bool:
    """Tell whether TensorFlow failed for reasons of the GPU, and another backend may be taken.

    Not where a build of TensorFlow breaks rules about the request or the site alone: then these are to give way.
    """
    if failure.code != "KGE-212" or vendor is Vendor.CPU or request.backend or request.tensorflow:
        return False
    if not (request.python or request.base or request.cuda or request.rocm or catalogue.house):
        return True
    wishes = _WISHES | _OF_THE_BASE if request.base else _WISHES
    return not any(rules <= wishes for rules in tensorflow_broken(catalogue, host, request, vendor))


def considered(
    catalogue: Catalogue, host: Host, request: Request, vendor: Vendor, failure: Failure
) -> list[frozenset[str]]:
    """Return the rules that each candidate breaks, of all backends that a failed request was tried with."""
    if request.backend in BACKENDS:
        return broken(catalogue, host, request, vendor, (request.backend,))
    found = tensorflow_broken(catalogue, host, request, vendor)
    if applies(catalogue, host, request, vendor, failure):
        found += broken(catalogue, host, request, vendor, BACKENDS)
    return found


def _on_image(catalogue: Catalogue, host: Host, request: Request, vendor: Vendor) -> Stack | None:
    """Return the TensorFlow that this host gets with CUDA from a base image: old wheels have it from nowhere else."""
    if vendor is not Vendor.CUDA or request.base:
        return None
    majors = {row.cuda.split(".")[0] for row in catalogue.tensorflow if not row.cuda_wheels}
    images = [row.image for row in catalogue.images.cuda_bases if row.cuda.split(".")[0] in majors]
    found = (resolve_cuda(catalogue, host, replace(request, base=image)) for image in images)
    return next((stack for stack in found if isinstance(stack, Stack)), None)


def _warning(
    found: Stack, failure: Failure, broken_rules: list[frozenset[str]], on_image: Stack | None
) -> StackWarning:
    rules = sorted(smallest_cover(broken_rules), key=lambda rule: -sum(rule in each for each in broken_rules))
    if on_image:
        text = (
            f"Keras runs on {TITLES[found.backend]} here, since no TensorFlow build serves this host on a plain base "
            f"({', '.join(rules)}); --base {on_image.base.image} gives {on_image.summary}"
        )
        return StackWarning(code="keras-fallback", text=text)
    ended = next((one for rule in rules for one in failure.rejected if one.rule == rule), failure.rejected[0])
    hint = "; --explain tells whether a newer driver changes this" if _OF_THE_DRIVER & set(rules) else ""
    text = (
        f"Keras runs on {TITLES[found.backend]} here, since no TensorFlow build serves this host "
        f"({', '.join(rules)}): {ended.candidate}: {ended.reason}{bracketed(ended.source)}{hint}"
    )
    return StackWarning(code="keras-fallback", text=text)
