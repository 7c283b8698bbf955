"""What resolving knows of hosts without a GPU: the builds for the processor, and what is installed."""

from typing import Final

from msgspec.structs import replace

from provision.catalogue import Catalogue, rows
from provision.model import Backend, Vendor, version_key
from provision.resolve.candidate import Build, Candidate, Knowledge, Runtime


def _builds(catalogue: Catalogue, backend: Backend) -> tuple[Build, ...]:
    """Return the builds of a backend, newest first."""
    if backend == "tensorflow":
        return tuple(_tensorflow(row) for row in catalogue.tensorflow)
    found = [row for row in catalogue.keras.keras_cpu if row.backend == backend]
    found.sort(key=lambda row: version_key(row.version), reverse=True)
    return tuple(_alternative(row) for row in found)


def _tensorflow(row: rows.TensorFlowRelease) -> Build:
    name = ("tensorflow", ".".join(row.version.split(".")[:2]))
    return replace(_build(row), named_by=(name,), packages=row.requires)


def _alternative(row: rows.KerasCpu) -> Build:
    return replace(
        _build(row),
        machines=row.machines,
        machines_told=("its wheels are for {machines}, not {machine}", row.source),
        packages=row.packages,
        indexes=row.indexes,
    )


def _build(row: rows.FrameworkRow) -> Build:
    return Build(
        row=row,
        vendor=Vendor.CPU,
        backend=row.backend,
        version=row.version,
        runtimes=(Runtime(),),
        python=row.python,
        glibc=row.glibc,
        summary="{framework} for the CPU, Python {python} on {base}",
    )


def _packages(candidate: Candidate) -> tuple[str, ...]:
    build = candidate.build
    if build.backend != "tensorflow":
        return build.packages
    # Off x86 the plain wheel has no GPU code and tensorflow-cpu is not published.
    wheel = "tensorflow-cpu" if candidate.facts.machine == "x86_64" else "tensorflow"
    return (f"{wheel}=={build.version}", *build.packages)


CPU: Final = Knowledge(
    builds=_builds,
    on_base=lambda _, build, __: build,
    packages=_packages,
    libraries=lambda _: (),
    complete=lambda facts: facts,
    driver_name=lambda _: "",
    needs_version=False,
    tool="",
    wsl_told=("", ""),
    newer_drivers=lambda *_: [],
    older_drivers=lambda *_: [],
    branch_of=lambda *_: None,
    images=lambda _: (),
    hosts=lambda _: (),
    requested=None,
    supports=None,
)
