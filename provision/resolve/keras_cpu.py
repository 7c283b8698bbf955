"""Keras on JAX or torch without a GPU."""

from provision.catalogue import Catalogue, rows
from provision.model import Backend, Base, Framework, Host, Request, Route, Stack, Vendor, version_key
from provision.resolve.bases import choose_base
from provision.resolve.common import confidence, machine
from provision.resolve.outcome import Tried
from provision.resolve.rules import Broken, house


def try_cpu(catalogue: Catalogue, host: Host, request: Request, backend: Backend) -> Tried:
    """Return the newest stack of a backend for the CPU, if any, and what was refused before it."""
    builds = [row for row in catalogue.keras.keras_cpu if row.backend == backend]
    tried = Tried()
    for row in sorted(builds, key=lambda row: version_key(row.version), reverse=True):
        base = _machine(host, row) or house(catalogue, backend, row.version) or choose_base(catalogue, request, row)
        if not isinstance(base, Broken):
            return tried.chosen(_stack(host, row, base))
        tried = tried.refused(row.title, base)
    return tried


def _machine(host: Host, row: rows.KerasCpu) -> Broken | None:
    """The processor that the wheels are for."""
    if machine(host) in row.machines:
        return None
    return Broken("machine", f"its wheels are for {' and '.join(row.machines)}, not {machine(host)}", row.source)


def _stack(host: Host, row: rows.KerasCpu, base: rows.BaseImage) -> Stack:
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
