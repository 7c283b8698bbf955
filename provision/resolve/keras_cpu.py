"""Keras on JAX or torch without a GPU."""

from collections.abc import Iterator

from provision.catalogue import Catalogue, rows
from provision.model import Backend, Base, Framework, Host, Request, Route, Stack, Vendor, version_key
from provision.resolve.common import confidence, machine
from provision.resolve.cpu_candidate import Candidate, house_framework, plain_base
from provision.resolve.rule_names import RuleName
from provision.resolve.rules import Broken
from provision.resolve.trial import Single, Trial, Way

Keras = Candidate[rows.KerasCpu]


def trials(catalogue: Catalogue, host: Host, request: Request, backend: Backend) -> Iterator[Trial]:
    """Return the trials of a backend for the CPU."""
    builds = [row for row in catalogue.keras.keras_cpu if row.backend == backend]
    builds.sort(key=lambda row: version_key(row.version), reverse=True)
    return (Single(_WAY, Candidate(catalogue, host, request, row)) for row in builds)


def _machine(candidate: Keras) -> Broken | None:
    """The processor that the wheels are for."""
    row, name = candidate.release, machine(candidate.host)
    if name in row.machines:
        return None
    return Broken(RuleName.MACHINE, f"its wheels are for {' and '.join(row.machines)}, not {name}", row.source)


def _stack(candidate: Keras, base: rows.BaseImage) -> Stack:
    host, row = candidate.host, candidate.release
    return Stack(
        vendor=Vendor.CPU,
        route=Route.WHEELS,
        framework=Framework(name=row.backend, version=row.version),
        backend=row.backend,
        runtime=Framework(name="cpu", version=host.architecture),
        python=base.python,
        base=Base(image=base.image),
        python_in_base=base.family == "image",
        packages=row.packages,
        indexes=row.indexes,
        summary=f"Keras on {row.title} for the CPU, Python {base.python} on {base.image}",
        local_base=base.suite,
        warnings=confidence(row),
    )


_WAY = Way((_machine, house_framework), plain_base, _stack)
