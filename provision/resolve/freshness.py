"""`catalogue check --online`: what the rows name of package indexes, against what those publish."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from provision.catalogue import LISTING, Catalogue, rows
from provision.model.published import Freshness, Published, Standing

_MOST: Final = 3  # ids that a text names
_OF_OWN_INDEXES: Final = ("rocm[", "pytorch-triton")  # without a label in the version, and not on PyPI
Told = tuple[Standing, str, tuple[str, ...]]  # with the ids of the rows


class Place(NamedTuple):
    """A project, and the indexes that its rows name; none: the ones that the host is set to."""

    project: str
    indexes: tuple[str, ...] = ()


class Named(NamedTuple):
    """What the rows say of a project: exact versions, and bounds, each with the ids of the rows."""

    versions: dict[str, list[str]]
    bounds: dict[str, list[str]]


def named(catalogue: Catalogue) -> dict[Place, Named]:
    """Return every project that rows name, the frameworks first."""
    found: dict[Place, Named] = {}
    for text, indexes, row in _requirements(catalogue):
        requirement = Requirement(text.replace("device-{target}", "device"))
        place = Place(canonicalize_name(requirement.name), indexes)
        one = found.setdefault(place, Named({}, {}))
        exact = [part.version for part in requirement.specifier if part.operator == "=="]
        where = one.versions if exact else one.bounds
        ids = where.setdefault(exact[0] if exact else str(requirement.specifier), [])
        if row.id not in ids:
            ids.append(row.id)
    return found


def _requirements(catalogue: Catalogue) -> Iterator[tuple[str, tuple[str, ...], rows.Row]]:
    for release in catalogue.tensorflow:
        yield f"tensorflow=={release.version}", (), release
        yield from ((text, (), release) for text in release.requires)
        yield from ((text, (), release) for text in _libraries(catalogue, release))
    keras = catalogue.keras
    yield from ((text, (), row) for row in keras.keras_cuda for text in row.packages)
    targets = (row for vendor in LISTING for row in keras.of(vendor))
    with_indexes: tuple[rows.KerasTarget | rows.KerasCpu, ...] = (*targets, *keras.keras_cpu)
    for row in with_indexes:
        yield from ((text, _indexes(text, row.indexes), row) for text in row.packages)
    for build in (build for vendor in LISTING for build in catalogue.listed(vendor).builds):
        wheel = build.wheel
        if wheel and wheel.indexes:
            yield from ((text, _indexes(text, wheel.indexes), build) for text in wheel.packages)
    for tool in catalogue.images.tools:
        yield f"{tool.id}=={tool.version}", (), tool


def _indexes(text: str, own: tuple[str, ...]) -> tuple[str, ...]:
    """Return the row's own indexes for what is there alone: ROCm and what is built for it, by the version's label."""
    version = text.partition("==")[2]
    return own if "+" in version or text.startswith(_OF_OWN_INDEXES) else ()


def _libraries(catalogue: Catalogue, release: rows.TensorFlowRelease) -> Iterator[str]:
    for cuda in (release.cuda, *release.newer_cuda) if release.cuda_wheels else ():
        wheels = next(row for row in catalogue.nvidia.wheels if row.cuda == cuda)
        yield from (f"nvidia-{name}-{wheels.suffix}=={version}" for name, version in wheels.packages.items())
        yield from (f"nvidia-cudnn-{wheels.suffix}=={one}" for one in (release.cudnn, *release.newer_cudnn))
        if release.nccl:
            yield f"nvidia-nccl-{wheels.suffix}=={release.nccl}"


def freshness(place: Place, said: Named, published: Published | str) -> Freshness:
    """Return how the rows about a project stand to what is published.

    Args:
        place: the project.
        said: by the rows.
        published: its files; a text says why they are not known, which is not "none".
    """
    index = ", ".join(place.indexes)
    newest_row = max(said.versions, key=Version, default="")
    if isinstance(published, str):
        ids = _ids(said)
        text = f"not known: {published}"
        return _answer(place, "unknown", index, newest_row=newest_row, text=text, rows=ids)
    whole = sorted(map(Version, published.versions))
    final = [one for one in whole if not one.is_prerelease]
    early = [one for one in whole if one.is_prerelease and not one.is_devrelease]
    newest, first = (str(final[-1]) if final else ""), (early[-1] if early else None)
    beyond = [Version(one) for one in (newest, newest_row) if one]
    ahead = str(first) if first and all(first > one for one in beyond) else ""
    told = [*_gone(said, published), *_newer(said, newest)]
    if ahead:
        told.append(("current", f"{ahead} comes next", ()))
    standing, _, ids = told[0] if told else ("current", "", ())
    text = "; ".join(one for _, one, _ in told)
    return _answer(place, standing, index, newest_row=newest_row, newest=newest, ahead=ahead, text=text, rows=ids)


def _answer(place: Place, standing: Standing, index: str, **fields: object) -> Freshness:
    return Freshness(project=place.project, standing=standing, index=index, **fields)  # type: ignore[arg-type] # its own


def _gone(said: Named, published: Published) -> Iterator[Told]:
    """Yield what rows name and nobody can install any more."""
    names = {Version(version): ids for version, ids in said.versions.items()}  # by which 13.0 is 13.0.0
    yanked = {Version(one): why for one, why in published.yanked.items() if Version(one) in names}
    there = {*map(Version, published.versions), *yanked}
    if missing := [one for one in names if one not in there]:
        ids = tuple(dict.fromkeys(name for one in missing for name in names[one]))
        yield "missing", f"the index has no {', '.join(map(str, missing))}, which {_some(ids)} names", ids
    if yanked:
        ids = tuple(dict.fromkeys(name for one in yanked for name in names[one]))
        whys = ", ".join(f"{one} ({why or 'no reason given'})" for one, why in yanked.items())
        yield "yanked", f"yanked: {whys}, which {_some(ids)} names", ids


def _newer(said: Named, newest: str) -> Iterator[Told]:
    """Yield what is published and neither named by a row nor within the bounds of one."""
    if not newest or any(newest in SpecifierSet(bound) for bound in said.bounds):
        return
    newest_row = max(said.versions, key=Version, default="")
    if not newest_row:
        yield "newer", f"{newest} is published, which no row admits", _ids(said)
    elif Version(newest) > Version(newest_row):
        yield "newer", f"{newest} is published, the newest row has {newest_row}", tuple(said.versions[newest_row])


def _ids(said: Named) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in said for ids in part.values() for name in ids))


def _some(ids: tuple[str, ...]) -> str:
    more = f" and {len(ids) - _MOST} more" if len(ids) > _MOST else ""
    return ", ".join(ids[:_MOST]) + more
