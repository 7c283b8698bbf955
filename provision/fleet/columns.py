"""From classes of nodes to the images that serve them, as columns of the programme."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct, field

from provision.catalogue import Catalogue
from provision.fleet.classes import NodeClass
from provision.fleet.solver import Column
from provision.model import Stack, version_key
from provision.resolve.vendors import BACKENDS, builds_of

FAR: Final = 1000  # releases between two frameworks: more than any has


class Image(Struct):
    """An image and the classes that it serves, by their places.

    Attributes:
        id: as of `Option`.
        stack: as the first of the classes gets it.
        behind: class to the releases of the framework that it is behind the class's own newest.
        upgraded: the same, of classes that need a newer driver for it: to that driver.
        rank: the lower, the more it is preferred: its place among a class's stacks, summed over the nodes.
    """

    id: str
    stack: Stack
    behind: dict[int, int] = field(default_factory=dict)
    upgraded: dict[int, str] = field(default_factory=dict)
    rank: int = 0

    @property
    def order(self) -> tuple[object, ...]:
        """What decides between images that serve the same, so that the same fleet gets the same plan."""
        newest = tuple(-number for number in version_key(self.stack.framework.version))
        return BACKENDS.index(self.stack.backend), newest, self.rank, self.id


def images_of(catalogue: Catalogue, classes: Sequence[NodeClass]) -> list[Image]:
    """Return the images that serve any of the classes, the preferred first."""
    found: dict[str, Image] = {}
    releases = _Releases(catalogue)
    for place, one in enumerate(classes):
        for rank, option in enumerate(one.options):
            image = found.setdefault(option.id, Image(option.id, option.stack))
            image.behind[place] = releases.between(one.options[0].stack, option.stack)
            image.rank += rank * len(one.nodes)
        for option in one.upgraded:
            found.setdefault(option.id, Image(option.id, option.stack)).upgraded[place] = option.driver
    return sorted(found.values(), key=lambda image: image.order)


class _Releases:
    """How many releases of a framework lie between two stacks."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._places: dict[tuple[str, str], dict[tuple[int, ...], int]] = {}

    def between(self, newest: Stack, stack: Stack) -> int:
        if (newest.vendor, newest.backend) != (stack.vendor, stack.backend):
            return FAR
        places = self._of(stack)
        return max(0, places[_minor(newest.framework.version)] - places[_minor(stack.framework.version)])

    def _of(self, stack: Stack) -> dict[tuple[int, ...], int]:
        key = (stack.vendor.value, stack.backend)
        if key not in self._places:
            builds = builds_of(self._catalogue, stack.vendor, stack.backend, None)
            minors = sorted({_minor(build.version) for build in builds})
            self._places[key] = {minor: place for place, minor in enumerate(minors)}
        return self._places[key]


def _minor(version: str) -> tuple[int, ...]:
    return version_key(version)[:2]


def undominated(
    images: Iterable[Image], costs: Callable[[Image], Mapping[int, int]]
) -> tuple[list[Image], list[Column]]:
    """Return the images that no other one makes needless, and their columns.

    One does where it serves at least the same classes at no higher cost; of two that are equal the first stays.
    """
    first: dict[frozenset[tuple[int, int]], tuple[Image, Column]] = {}
    for image in images:
        column = Column(costs(image))
        if column.costs:
            first.setdefault(frozenset(column.costs.items()), (image, column))
    kept: list[tuple[Image, Column, int]] = []
    for image, column in sorted(first.values(), key=lambda one: -len(one[1].costs)):
        mask = sum(1 << place for place in column.costs)
        if not any(mask & ~wide == 0 and _as_cheap(other, column) for _, other, wide in kept):
            kept.append((image, column, mask))
    return [image for image, _, _ in kept], [column for _, column, _ in kept]


def _as_cheap(better: Column, worse: Column) -> bool:
    return all(better.costs[place] <= cost for place, cost in worse.costs.items())
