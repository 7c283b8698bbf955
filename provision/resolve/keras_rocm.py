"""Keras on JAX or torch for AMD GPUs: the rules of AMD's TensorFlow builds, over AMD's other wheels."""

from provision.catalogue import Catalogue
from provision.model import Backend, Base, Framework, Host, Request, Route, Settings, Stack, Vendor, version_key
from provision.resolve.outcome import Failure, Tried
from provision.resolve.rocm import BUILD_RULES as RULES
from provision.resolve.rocm_candidate import Facts, Keras, devices
from provision.resolve.rocm_stack import core_sdk, rocm_facts, rocm_warnings
from provision.resolve.rules import all_broken, first_broken


def candidates(facts: Facts, backend: Backend) -> list[Keras]:
    """Return the builds of a backend, newest first, then newest ROCm."""
    python = {base.image: base.python for base in facts.catalogue.images.bases}
    builds = [row for row in facts.catalogue.keras.keras_rocm if row.backend == backend]
    builds.sort(key=lambda row: (version_key(row.version), version_key(row.release)), reverse=True)
    return [Keras(facts, row, python[row.base]) for row in builds]


def try_rocm(catalogue: Catalogue, host: Host, request: Request, backend: Backend) -> Tried | Failure:
    """Return the newest stack of a backend for the host's AMD GPUs, if any, and what was refused before it."""
    facts = rocm_facts(catalogue, host, request)
    if isinstance(facts, Failure):
        return facts
    tried = Tried()
    for candidate in candidates(facts, backend):
        broken_rule = first_broken(RULES, candidate)
        if broken_rule is None:
            return tried.chosen(_stack(candidate))
        tried = tried.refused(candidate.label, broken_rule)
    return tried


def broken(catalogue: Catalogue, host: Host, request: Request, backend: Backend) -> list[frozenset[str]]:
    """Return the names of the rules that each candidate breaks."""
    facts = rocm_facts(catalogue, host, request)
    if isinstance(facts, Failure):
        return []
    return [all_broken(RULES, candidate) for candidate in candidates(facts, backend)]


def _stack(candidate: Keras) -> Stack:
    row, gpus = candidate.build, candidate.facts.gpus
    return Stack(
        vendor=Vendor.ROCM,
        route=Route.WHEELS,
        framework=Framework(name=row.backend, version=row.version),
        backend=row.backend,
        runtime=Framework(name="rocm", version=row.release),
        python=candidate.python,
        base=Base(image=row.base),
        packages=tuple(devices(text, gpus) for text in row.packages),
        indexes=row.indexes,
        settings=Settings(env=core_sdk(candidate.python)),
        gpus=tuple(sorted({gpu.architecture or "" for gpu in gpus})),
        summary=f"ROCm {row.release}, Keras on {row.title}, Python {candidate.python} on {row.base}",
        warnings=rocm_warnings(candidate),
    )
