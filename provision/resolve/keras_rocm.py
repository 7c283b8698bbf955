"""Keras on JAX or torch for AMD GPUs: the rules of AMD's TensorFlow builds, over AMD's other wheels."""

from collections.abc import Iterator

from provision.catalogue import Catalogue
from provision.model import Backend, Base, Framework, Host, Request, Route, Settings, Stack, Vendor, version_key
from provision.resolve.outcome import Failure
from provision.resolve.rocm import BUILD_RULES
from provision.resolve.rocm_candidate import Facts, Keras, devices
from provision.resolve.rocm_stack import core_sdk, rocm_facts, rocm_warnings
from provision.resolve.trial import Single, Trial, Way


def candidates(facts: Facts, backend: Backend) -> list[Keras]:
    """Return the builds of a backend, newest first, then newest ROCm."""
    python = {base.image: base.python for base in facts.catalogue.images.bases}
    builds = [row for row in facts.catalogue.keras.keras_rocm if row.backend == backend]
    builds.sort(key=lambda row: (version_key(row.version), version_key(row.release)), reverse=True)
    return [Keras(facts, row, python[row.base]) for row in builds]


def trials(catalogue: Catalogue, host: Host, request: Request, backend: Backend) -> Iterator[Trial] | Failure:
    """Return the trials of a backend for the host's AMD GPUs, or why there can be none."""
    facts = rocm_facts(catalogue, host, request)
    if isinstance(facts, Failure):
        return facts
    return (Single(_WAY, candidate) for candidate in candidates(facts, backend))


def _stack(candidate: Keras, base: str) -> Stack:
    row, gpus = candidate.build, candidate.facts.gpus
    return Stack(
        vendor=Vendor.ROCM,
        route=Route.WHEELS,
        framework=Framework(name=row.backend, version=row.version),
        backend=row.backend,
        runtime=Framework(name="rocm", version=row.release),
        python=candidate.python,
        base=Base(image=base),
        packages=tuple(devices(text, gpus) for text in row.packages),
        indexes=row.indexes,
        settings=Settings(env=core_sdk(candidate.python)),
        gpus=tuple(sorted({gpu.architecture or "" for gpu in gpus})),
        summary=f"ROCm {row.release}, Keras on {row.title}, Python {candidate.python} on {base}",
        warnings=rocm_warnings(candidate),
    )


_WAY = Way(BUILD_RULES, lambda candidate: candidate.base, _stack)
