"""The facts: which drivers, runtimes, frameworks and images belong together, each with its source."""

from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from provision.catalogue import rows, sections
from provision.catalogue.contents import ContentsFile
from provision.catalogue.load import read_facts
from provision.catalogue.messages import KnownError
from provision.catalogue.sections import LISTING
from provision.catalogue.sources import Source, cited
from provision.errors import InputError
from provision.model import VENDORS, DriverVersion, Vendor, version_key
from provision.resources import folder

__all__ = ["LISTING", "Catalogue", "Listing", "load", "rows"]

S = TypeVar("S", bound=msgspec.Struct)


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """The document that `catalogue list --json` and `catalogue show --json` print."""

    schema: Literal["kgpu-env/catalogue/1"] = "kgpu-env/catalogue/1"
    rows: tuple[dict[str, Any], ...]
    sources: tuple[Source, ...] = ()  # what the short names in the rows' sources stand for


class Catalogue:
    """All facts. A file is read when it is first asked for, so that no command pays for another's facts."""

    def __init__(self, directory: Path, cache: Path | None = None, overlay: Path | None = None) -> None:
        self.directory = directory
        self.cache = cache
        self.overlay = overlay  # a site's own rows
        self._listed: dict[Vendor, sections.TargetFacts] = {}
        self._chips: dict[Vendor, tuple[rows.TargetChip, ...]] = {}

    @cached_property
    def nvidia(self) -> sections.CapabilityFacts:
        """`nvidia.yaml`."""
        return self._read("nvidia.yaml", sections.CapabilityFacts)

    def listed(self, vendor: Vendor) -> sections.TargetFacts:
        """Return the facts of a maker whose builds list their GPUs: `<maker>.yaml`."""
        if vendor not in self._listed:
            self._listed[vendor] = self._read(f"{vendor.row.maker}.yaml", sections.target_facts(vendor))
        return self._listed[vendor]

    def listed_chips(self, vendor: Vendor) -> tuple[rows.TargetChip, ...]:
        """Return the devices of such a maker: `<maker>_devices.yaml`."""
        if vendor not in self._chips:
            kind = sections.target_chips(vendor)
            self._chips[vendor] = self._read(f"{vendor.row.maker}_devices.yaml", kind).chips
        return self._chips[vendor]

    @property
    def amd(self) -> sections.TargetFacts:
        """`amd.yaml`."""
        return self.listed(VENDORS["amd"])

    @cached_property
    def tensorflow(self) -> tuple[rows.TensorFlowRelease, ...]:
        """`tensorflow.yaml`, newest release first."""
        releases = self._read("tensorflow.yaml", sections.TensorFlow).releases
        return tuple(sorted(releases, key=lambda row: version_key(row.version), reverse=True))

    @cached_property
    def images(self) -> sections.Bases:
        """`bases.yaml`."""
        return self._read("bases.yaml", sections.Bases)

    @cached_property
    def contents(self) -> ContentsFile:
        """`contents.yaml`."""
        return self._read("contents.yaml", ContentsFile)

    @cached_property
    def keras(self) -> sections.Keras:
        """`keras.yaml`: Keras on something else than TensorFlow."""
        return self._read("keras.yaml", sections.keras())

    @cached_property
    def packages(self) -> sections.Packages:
        """`packages.yaml`: what is known of packages that people add."""
        return self._read("packages.yaml", sections.Packages)

    @cached_property
    def chips(self) -> tuple[rows.Chip, ...]:
        """`nvidia_devices.yaml`."""
        return self._read("nvidia_devices.yaml", sections.Chips).chips

    @cached_property
    def errors(self) -> tuple[KnownError, ...]:
        """`errors/*.yaml`, in the order of their names; a site's rows are in its `errors.yaml`."""
        folder = self.directory / "errors"
        parts = [read_facts(path, sections.Errors, self.cache).errors for path in sorted(folder.glob("*.yaml"))]
        found = sections.Errors(tuple(row for part in parts for row in part))
        _unique(found, folder)
        return self._with_own(found, "errors.yaml").errors

    @cached_property
    def lanes(self) -> tuple[rows.Lanes, ...]:
        """`speed.yaml`."""
        return self._read("speed.yaml", sections.Speed).lanes

    @cached_property
    def published(self) -> tuple[rows.KnownImage, ...]:
        """`published.yaml`: images of others, known by name."""
        return self._read("published.yaml", sections.Published).known

    @cached_property
    def prepare(self) -> sections.Prepare:
        """`prepare.yaml`: what a bare node needs, and from where."""
        return self._read("prepare.yaml", sections.Prepare)

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """`sources.yaml`, the legend of the rows' sources; only explanations read it."""
        path = self.directory / "sources.yaml"
        found = read_facts(path, sections.Legend, self.cache)
        _unique(found, path)
        return found.sources

    def cited(self, *found: dict[str, Any]) -> tuple[Source, ...]:
        """Return what the short names in the sources of rows of `listing` stand for."""
        fields = ("source", "windows_source", "flavour_source")
        return cited(self.sources, *(str(row[field]) for row in found for field in fields if field in row))

    @cached_property
    def site_policy(self) -> tuple[rows.SitePolicy, ...]:
        """`site_policy.yaml` of the site's own folder; nothing is shipped."""
        return self._with_own(sections.SitePolicies(), "site_policy.yaml").rules

    def branch_of(self, driver: DriverVersion) -> rows.DriverBranch | None:
        """Return the newest known branch not newer than the driver's own, or None below the oldest."""
        own = int(driver.branch)
        return next((row for number, row in self._branches if number <= own), None)

    @cached_property
    def _branches(self) -> list[tuple[int, rows.DriverBranch]]:
        """The branches with their numbers, the newest first."""
        found = [(int(row.branch), row) for row in self.nvidia.branches]
        return sorted(found, key=lambda pair: pair[0], reverse=True)

    def capability(self, architecture: str) -> rows.Capability | None:
        """Return the row of an architecture written as "sm_90"."""
        return self._capabilities.get(architecture.removeprefix("sm_").rstrip("af"))

    @cached_property
    def _capabilities(self) -> dict[str, rows.Capability]:
        return {row.capability.replace(".", ""): row for row in self.nvidia.capabilities}

    def all_rows(self) -> Iterator[tuple[str, rows.Row]]:
        """Yield every row with the name of its table."""
        makers = (self.nvidia, *map(self.listed, LISTING))
        for section in (*makers, self.images, self.keras, self.prepare, self.packages, self.contents):
            for field, table in sections.table_names(section).items():
                for row in getattr(section, field):
                    yield table, row
        others: tuple[tuple[str, tuple[rows.Row, ...]], ...] = (
            ("releases", self.tensorflow),
            ("chips", self.chips),
            *((f"{vendor.row.maker}_chips", self.listed_chips(vendor)) for vendor in LISTING),
            ("errors", self.errors),
            ("lanes", self.lanes),
            ("known", self.published),
            ("site_policy", self.site_policy),
        )
        for table, found in others:
            for row in found:
                yield table, row

    def without(self, table: str, name: str) -> "Catalogue":
        """Return a catalogue without the row of a table that has an id; not of messages, devices or lanes."""
        changed = Catalogue(self.directory, self.cache, self.overlay)
        if table == "releases":
            changed.__dict__["tensorflow"] = tuple(row for row in self.tensorflow if row.id != name)
        for section in ("nvidia", "images", "keras"):
            changed.__dict__[section] = sections.without(getattr(self, section), table, name)
        for vendor in LISTING:
            changed._listed[vendor] = sections.without(self.listed(vendor), table, name)
        return changed

    def listing(self) -> Listing:
        """Return every row as plain data with the legend, for `catalogue list --json`."""
        return Listing(
            rows=tuple({"table": table, **msgspec.to_builtins(row)} for table, row in self.all_rows()),
            sources=self.sources,
        )

    def _read(self, name: str, kind: type[S]) -> S:
        path = self.directory / name
        found = read_facts(path, kind, self.cache)
        _unique(found, path)
        return self._with_own(found, name)

    def _with_own(self, section: S, name: str) -> S:
        if self.overlay is None:
            return section
        from provision.catalogue.overlay import overlaid  # noqa: PLC0415 - most sites have none

        return overlaid(section, self.overlay / name)


def _unique(section: msgspec.Struct, path: Path) -> None:
    for field, table in sections.table_names(section).items():
        seen: set[str] = set()
        for row in getattr(section, field):
            if row.id in seen:
                raise InputError("KGE-203", f"{path}, table {table}: the id {row.id!r} is given twice")
            seen.add(row.id)


@cache
def load(directory: Path | None = None, cache: Path | None = None, overlay: Path | None = None) -> Catalogue:
    """Return the catalogue in `directory`, or the one that ships with the package.

    Args:
        directory: has the YAML files.
        cache: a folder for copies that are quicker to read; it need not exist.
        overlay: a site's folder with some of the files, whose rows are added, or replace shipped ones by id.

    Raises:
        InputError: KGE-205, the overlay is no folder, or holds a YAML file that is not of the catalogue; KGE-206, a
            row of it names what is in no table.
    """
    if overlay:
        from provision.catalogue.overlay import check_folder  # noqa: PLC0415 - as above

        check_folder(overlay)
    found = Catalogue(directory or folder("images"), cache, overlay)
    if overlay:
        from provision.catalogue.references import check_references  # noqa: PLC0415 - as above

        check_references(found)
    return found
