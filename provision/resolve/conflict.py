"""Why nothing is left: a smallest set of rules that together remove every candidate."""

from collections.abc import Iterable
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
    "machine": "the wheels or the image have GPU code for the host's processor",
    "tegra": "no wheel serves a Jetson's own GPU",
    "wsl": "AMD documents TensorFlow for Linux, not for WSL2; the catalogue has no other build for it",
    "wsl-driver": "the Windows driver below WSL2 is new enough for the CUDA",
    "driver-minimum": "the driver is new enough for the CUDA (minor-version compatibility)",
    "driver-drives-gpu": "the driver drives this generation of GPUs",
    "driver-window": "the amdgpu driver runs the ROCm",
    "gpu-code": "the wheel has machine code or PTX for the GPU",
    "ptx-specific": "architecture-specific PTX loads on its own architecture alone",
    "ptx-driver": "the driver reads the PTX that it must compile",
    "cuda-from-base": "CUDA comes from wheels that TensorFlow knows, or from the base image",
    "confirmed": "an unconfirmed row is used only when asked for by name",
    "toolkit-knows-gpu": "the CUDA libraries know the GPU",
    "cuda-version": "the CUDA is of the major version that the framework was built with, and not older",
    "cudnn-version": "the cuDNN is of the major version that the framework was built with, and not older",
    "cudnn-code": "cuDNN has code for the GPU",
    "require-cuda": "the CUDA image starts on this driver and product",
    "python": "the framework has wheels for the base's Python",
    "glibc": "the base's glibc is new enough for the framework",
    "tensorflow-accepts-gpu": "the TensorFlow build accepts the GPU",
    "jax-accepts-gpu": "the JAX build accepts the GPU",
    "torch-accepts-gpu": "the torch build accepts the GPU",
    "rocm-supports-gpu": "ROCm supports the GPU",
    "partitions": "ROCm sees the partitions of a GPU",
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


def in_words(rules: Iterable[str]) -> str:
    """Return rules with their meaning, for a message."""
    return "; ".join(f"{name} ({RULES[name]})" for name in rules)


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
