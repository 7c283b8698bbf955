"""Why nothing is left: a smallest set of rules that together remove every candidate."""

from collections.abc import Sequence
from itertools import combinations
from typing import Final

from provision.catalogue import Catalogue
from provision.model import Host, Request, Vendor
from provision.resolve import cuda, rocm
from provision.resolve.cuda_rules import RELEASE_RULES, RUNTIME_RULES
from provision.resolve.cuda_stack import base_of, cuda_facts
from provision.resolve.outcome import Failure
from provision.resolve.rocm_candidate import Facts
from provision.resolve.rocm_stack import rocm_facts
from provision.resolve.rules import Broken, all_broken

# Every rule by the name that rejections carry. A test reaches each one.
RULES: Final = {
    "requested-tensorflow": "the TensorFlow asked for",
    "requested-python": "the Python asked for",
    "requested-base": "the base image asked for",
    "requested-cuda": "the CUDA asked for",
    "requested-rocm": "the ROCm asked for",
    "house": "the site's own rules",
    "machine": "the wheels or the image must have GPU code for the host's processor",
    "tegra": "no wheel serves a Jetson's own GPU",
    "wsl": "AMD documents TensorFlow for Linux, not for WSL2; the catalogue has no other build for it",
    "wsl-driver": "the Windows driver below WSL2 must be new enough for the CUDA",
    "driver-minimum": "the driver must be new enough for the CUDA (minor-version compatibility)",
    "driver-drives-gpu": "the driver must drive this generation of GPUs",
    "driver-window": "the amdgpu driver must run the ROCm",
    "gpu-code": "the wheel must have machine code or PTX for the GPU",
    "ptx-specific": "architecture-specific PTX loads on its own architecture alone",
    "ptx-driver": "the driver must read the PTX that it is to compile",
    "cuda-from-base": "CUDA must come from wheels that TensorFlow knows, or from the base image",
    "confirmed": "an unconfirmed row is used only when asked for by name",
    "toolkit-knows-gpu": "the CUDA libraries must know the GPU",
    "cuda-version": "the CUDA must be of the major version that the framework was built with, and not older",
    "cudnn-version": "the cuDNN must be of the major version that the framework was built with, and not older",
    "cudnn-code": "cuDNN must have code for the GPU",
    "require-cuda": "the CUDA image must start on this driver and product",
    "python": "the framework must have wheels for the base's Python",
    "glibc": "the base's glibc must be new enough for the framework",
    "tensorflow-accepts-gpu": "the TensorFlow build must accept the GPU",
    "jax-accepts-gpu": "the JAX build must accept the GPU",
    "torch-accepts-gpu": "the torch build must accept the GPU",
    "rocm-supports-gpu": "ROCm must support the GPU",
    "partitions": "ROCm must see the partitions of a GPU",
}


def tensorflow_broken(catalogue: Catalogue, host: Host, request: Request, vendor: Vendor) -> list[frozenset[str]]:
    """Return the names of the rules that each candidate of TensorFlow breaks; nothing for the CPU."""
    match vendor:
        case Vendor.CUDA:
            return _cuda(cuda_facts(catalogue, host, request))
        case Vendor.ROCM:
            return _rocm(rocm_facts(catalogue, host, request))
        case _:
            return []


def smallest_cover(broken: list[frozenset[str]]) -> tuple[str, ...]:
    """Return the smallest set that has a rule of each candidate's, in the order of `RULES`.

    Empty when there is no candidate, or one breaks none.
    """
    if not broken or not all(broken):
        return ()
    order = list(RULES)
    names = sorted(frozenset().union(*broken), key=order.index)
    kinds = set(broken)
    covers = (
        chosen
        for size in range(1, len(names) + 1)
        for chosen in combinations(names, size)
        if all(kind & set(chosen) for kind in kinds)
    )
    return next(covers, ())


def in_words(rules: Sequence[str]) -> str:
    """Return the rules of a cover with their meaning, as a sentence."""
    told = "; ".join(f"{name} ({RULES[name]})" for name in rules)
    return f"Every candidate breaks {'this rule' if len(rules) == 1 else 'one of these rules'}: {told}"


def _cuda(facts: cuda.Facts | Failure) -> list[frozenset[str]]:
    if isinstance(facts, Failure):
        return []
    found: list[frozenset[str]] = []
    for release in facts.catalogue.tensorflow:
        candidates = cuda.runtimes(facts, release)
        # Neither these rules nor the base depend on which CUDA goes with the release.
        broken = all_broken(RELEASE_RULES, candidates[0]) | _base(candidates[0])
        found += [broken | all_broken(RUNTIME_RULES, candidate) for candidate in candidates]
    return found


def _base(candidate: cuda.TensorFlow) -> frozenset[str]:
    base = base_of(candidate)
    return frozenset({base.rule}) if isinstance(base, Broken) else frozenset()


def _rocm(facts: Facts | Failure) -> list[frozenset[str]]:
    if isinstance(facts, Failure):
        return []
    return [all_broken(rocm.RULES, candidate) for candidate in rocm.candidates(facts)]
