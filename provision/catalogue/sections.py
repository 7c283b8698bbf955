"""The tables of each file in `images/`; those of a maker are in `<maker>.yaml` and `<maker>_devices.yaml`."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from msgspec.structs import FieldInfo, fields, replace

from provision.catalogue import rows
from provision.catalogue.messages import KnownError
from provision.catalogue.sources import Source
from provision.model.vendor import GPU_VENDORS, Vendor

S = TypeVar("S", bound=msgspec.Struct)
LISTING: Final = tuple(vendor for vendor, row in GPU_VENDORS.items() if row.published)  # whose builds list their GPUs


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The tables of one file, by name."""


class CapabilityFacts(Section, frozen=True):
    """A maker whose builds have code for compute capabilities."""

    families: tuple[rows.CudaFamily, ...]
    toolkits: tuple[rows.CudaToolkit, ...]
    branches: tuple[rows.DriverBranch, ...]
    compat: tuple[rows.ForwardCompat, ...]
    capabilities: tuple[rows.Capability, ...]
    ptx: tuple[rows.PtxIsa, ...]
    cudnn: tuple[rows.Cudnn, ...]
    wheels: tuple[rows.CudaWheels, ...]


class TargetFacts(Section, frozen=True):
    """A maker whose builds list their GPUs."""

    drivers: tuple[rows.TargetDriver, ...]
    targets: tuple[rows.GpuTarget, ...]
    series: tuple[rows.RuntimeSeries, ...]  # of the runtime, whose name the table has
    builds: tuple[rows.TargetBuild, ...]
    defects: tuple[rows.KnownDefect, ...] = ()
    wsl: tuple[rows.WslSupport, ...] = ()


class TensorFlow(Section, frozen=True):
    """`tensorflow.yaml`."""

    releases: tuple[rows.TensorFlowRelease, ...]


class Bases(Section, frozen=True):
    """`bases.yaml`."""

    bases: tuple[rows.BaseImage, ...]
    cuda_bases: tuple[rows.CudaBase, ...]
    requirements: tuple[rows.Requirement, ...]
    tools: tuple[rows.Tool, ...]


class Keras(Section, frozen=True):
    """`keras.yaml`: one table for each vendor, and one for the processor."""

    keras_cuda: tuple[rows.KerasCuda, ...]
    if TYPE_CHECKING:
        keras_cpu: tuple[rows.KerasCpu, ...]

    def of(self, vendor: Vendor) -> tuple[rows.KerasTarget, ...]:
        """Return the table of a vendor whose builds list their GPUs."""
        found: tuple[rows.KerasTarget, ...] = getattr(self, f"keras_{vendor}")
        return found


class Chips(Section, frozen=True):
    """`nvidia_devices.yaml`: chips by compute capability."""

    chips: tuple[rows.Chip, ...]


class TargetChips(Section, frozen=True):
    """The devices of a maker whose builds list their GPUs; the table has the maker's name in front."""

    chips: tuple[rows.TargetChip, ...]


class Errors(Section, frozen=True):
    """A file of `errors/`."""

    errors: tuple[KnownError, ...]


class Packages(Section, frozen=True):
    """`packages.yaml`: what is known of packages that people add."""

    same: tuple[rows.SameThing, ...]
    gpu: tuple[rows.GpuPackage, ...]
    apt: tuple[rows.RefusedApt, ...]
    indexes: tuple[rows.FrameworkIndex, ...]
    conda: tuple[rows.CondaName, ...]


class Prepare(Section, frozen=True):
    """`prepare.yaml`: what a bare node needs, and from where."""

    repositories: tuple[rows.Repository, ...]
    engines: tuple[rows.EnginePackages, ...]


class Published(Section, frozen=True):
    """`published.yaml`: images of others."""

    known: tuple[rows.KnownImage, ...]


class Speed(Section, frozen=True):
    """`speed.yaml`."""

    lanes: tuple[rows.Lanes, ...]


class Legend(Section, frozen=True):
    """`sources.yaml`."""

    sources: tuple[Source, ...]


class SitePolicies(Section, frozen=True):
    """`site_policy.yaml`."""

    rules: tuple[rows.SitePolicy, ...] = ()


@cache
def keras() -> type[Keras]:
    """Return the shape of `keras.yaml`; a vendor without builds for JAX or torch needs no table."""
    tables = [(f"keras_{one}", tuple[called(rows.KerasTarget, series=one.value), ...], ()) for one in LISTING]  # type: ignore[misc] # a type that is made
    return _made(Keras, [*tables, ("keras_cpu", tuple[rows.KerasCpu, ...])])


@cache
def target_facts(vendor: Vendor) -> type[TargetFacts]:
    """Return the shape of a maker's file: what is of its runtime has the runtime's name there."""
    kinds: dict[str, type[rows.Row]] = {
        "drivers": rows.TargetDriver,
        "builds": rows.TargetBuild,
        "defects": rows.KnownDefect,
    }
    tables = {name: tuple[called(kind, series=vendor.value), ...] for name, kind in kinds.items()}  # type: ignore[misc] # the same
    return called(TargetFacts, tables, series=vendor.value)


@cache
def target_chips(vendor: Vendor) -> type[TargetChips]:
    """Return the shape of a maker's file of devices."""
    return called(TargetChips, chips=f"{vendor.row.maker}_chips")


def called(kind: type[S], types: Mapping[str, object] | None = None, **names: str) -> type[S]:
    """Return a shape with other names of some fields in its files, and other types of some."""
    own = [
        (
            one.name,
            (types or {}).get(one.name, one.type),
            _field(names.get(one.name, one.encode_name), one),
        )
        for one in fields(kind)
    ]
    return _made(kind, own)


def _field(name: str, one: FieldInfo) -> Any:  # noqa: ANN401 - as msgspec.field returns it
    if one.default_factory is not msgspec.NODEFAULT:
        return msgspec.field(name=name, default_factory=one.default_factory)
    return msgspec.field(name=name) if one.required else msgspec.field(name=name, default=one.default)


def _made(kind: type[S], own: list[tuple]) -> type[S]:  # type: ignore[type-arg] # of two or three parts
    how: dict[str, Any] = {"frozen": True, "kw_only": True, "forbid_unknown_fields": True}
    words = {"__doc__": kind.__doc__}
    made: Any = msgspec.defstruct(kind.__name__, own, bases=(kind,), module=kind.__module__, namespace=words, **how)
    found: type[S] = made
    return found


def table_names(section: msgspec.Struct) -> dict[str, str]:
    """Return the names of a section's tables in its file, by those of its fields."""
    return dict(zip(section.__struct_fields__, section.__struct_encode_fields__, strict=True))


def table_of(section: msgspec.Struct, table: str) -> tuple[rows.Row, ...]:
    """Return the rows of a section's table; none where it has no such table."""
    names = table_names(section).items()
    return next((getattr(section, field) for field, name in names if name == table), ())


def without(section: S, table: str, name: str) -> S:
    """Return a section without the row of a table that has an id."""
    fields = (field for field, called in table_names(section).items() if called == table)
    kept = {field: tuple(row for row in getattr(section, field) if row.id != name) for field in fields}
    return replace(section, **kept)
