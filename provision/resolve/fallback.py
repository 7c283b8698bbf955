"""Keras on JAX or torch where TensorFlow serves the GPUs with no build at all."""

from msgspec.structs import replace

from provision.catalogue import Catalogue
from provision.model import TITLES, Host, Request, Stack, StackWarning, Vendor
from provision.resolve.conflict import smallest_cover
from provision.resolve.cuda_trial import resolve_cuda
from provision.resolve.keras import resolve_keras
from provision.resolve.outcome import STAND_INS, Failure, Outcome
from provision.resolve.rule_names import Of
from provision.resolve.rules import bracketed
from provision.resolve.trial import why_not_newer


def keras_instead(catalogue: Catalogue, host: Host, request: Request, vendor: Vendor, failure: Failure) -> Outcome:
    """Return a stack of Keras on another backend, or `failure`, with what was refused of the others, too."""
    if not _applies(catalogue, request, vendor, failure):
        return failure
    found = resolve_keras(catalogue, host, request, vendor, STAND_INS)
    if isinstance(found, Failure):
        return failure._replace(refused=(*failure.refused, *found.refused))
    warning = _warning(found, failure, _on_image(catalogue, host, request, vendor))
    return replace(
        found,
        why=why_not_newer(failure.rejected),
        warnings=(warning, *found.warnings),
        rejected=(*failure.rejected, *found.rejected),
    )


def _applies(catalogue: Catalogue, request: Request, vendor: Vendor, failure: Failure) -> bool:
    """Tell whether TensorFlow failed for reasons of the GPU, and another backend may be taken.

    Not where a build of TensorFlow breaks rules about the request or the site alone: then these are to give way.
    """
    if failure.code != "KGE-212" or vendor is Vendor.CPU or request.backend or request.tensorflow:
        return False
    if not (request.python or request.base or request.cuda or request.rocm or catalogue.house):
        return True
    wishes = {Of.WISH, Of.BASE} if request.base else {Of.WISH}
    return not any({rule.of for rule in rules} <= wishes for rules in failure.broken())


def _on_image(catalogue: Catalogue, host: Host, request: Request, vendor: Vendor) -> Stack | None:
    """Return the TensorFlow that this host gets with CUDA from a base image: old wheels have it from nowhere else."""
    if vendor is not Vendor.CUDA or request.base:
        return None
    majors = {row.cuda.split(".")[0] for row in catalogue.tensorflow if not row.cuda_wheels}
    images = [row.image for row in catalogue.images.cuda_bases if row.cuda.split(".")[0] in majors]
    found = (resolve_cuda(catalogue, host, replace(request, base=image)) for image in images)
    return next((stack for stack in found if isinstance(stack, Stack)), None)


def _warning(found: Stack, failure: Failure, on_image: Stack | None) -> StackWarning:
    broken = failure.broken()
    rules = sorted(smallest_cover(broken), key=lambda rule: -sum(rule in each for each in broken))
    if on_image:
        text = (
            f"Keras runs on {TITLES[found.backend]} here, since no TensorFlow build serves this host on a plain base "
            f"({', '.join(rules)}); --base {on_image.base.image} gives {on_image.summary}"
        )
        return StackWarning(code="keras-fallback", text=text)
    ended = next((one for rule in rules for one in failure.rejected if one.rule == rule), failure.rejected[0])
    hint = (
        "; --explain tells whether a newer driver changes this" if any(rule.of is Of.DRIVER for rule in rules) else ""
    )
    text = (
        f"Keras runs on {TITLES[found.backend]} here, since no TensorFlow build serves this host "
        f"({', '.join(rules)}): {ended.candidate}: {ended.reason}{bracketed(ended.source)}{hint}"
    )
    return StackWarning(code="keras-fallback", text=text)
