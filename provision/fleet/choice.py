"""Which images: the fewest, then the newest frameworks; and fewer still when some nodes get a newer driver."""

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Final

from msgspec import Struct

from provision.fleet.columns import Image, undominated
from provision.fleet.solver import Column, Programme, Solution, solve
from provision.model import version_key
from provision.model.fleet import PlanWishes

_SLACK: Final = 1e-6  # of the solver's sums


class Choice(Struct, frozen=True):
    """The images that were chosen.

    Attributes:
        images: one or more for each class that is served.
        optimal: proved by the solver.
        bound: fewer images, or fewer upgrades where these were counted, are proved to be impossible.
        upgrades: nodes that need a newer driver.
    """

    images: tuple[Image, ...] = ()
    optimal: bool = True
    bound: int = 0
    upgrades: int = 0


def choose(images: Sequence[Image], weights: Sequence[int], wishes: PlanWishes) -> Choice:
    """Return the best set of images.

    Args:
        images: the preferred first.
        weights: of each class the number of its nodes.
        wishes: as of `plan`. With a limit on the images, or one TensorFlow for all, as many nodes as possible come
            first.
    """
    if not wishes.same_tensorflow:
        return _cheapest(images, weights, wishes)
    versions = {one.stack.framework.version for one in images if one.stack.backend == "tensorflow"}
    found = Choice()
    for version in sorted(versions, key=version_key, reverse=True):
        same = [one for one in images if one.stack.framework.version == version and one.stack.backend == "tensorflow"]
        tried = _cheapest(same, weights, wishes)
        if _worth(tried, weights) > _worth(found, weights):
            found = tried
    return found


def _worth(choice: Choice, weights: Sequence[int]) -> tuple[int, int]:
    served = {place for image in choice.images for place in image.behind}
    return sum(weights[place] for place in served), -len(choice.images)


def _cheapest(images: Sequence[Image], weights: Sequence[int], wishes: PlanWishes) -> Choice:
    """Return the best set: as many nodes as `max_images` allows, then few images, then new frameworks."""
    kept, columns = undominated(images, lambda image: image.behind)
    served = {place: weights[place] for place in sorted({place for column in columns for place in column.costs})}
    most, price = wishes.max_images, wishes.image_price
    free = [Column(dict.fromkeys(column.costs, 0)) for column in columns]
    if most is not None:
        found = solve(Programme(served, free, most=most, partly=1.0))
        reached = {place for one in found.chosen for place in columns[one].costs} if found else set()
        served = {place: weight for place, weight in served.items() if place in reached}
    if not served:
        return Choice()
    if price is not None:
        return _chosen(kept, solve(Programme(served, columns, price=price, most=most)), None)
    fewest = solve(Programme(served, free, price=1.0))
    count = len(fewest.chosen) if fewest else None
    return _chosen(kept, solve(Programme(served, columns, most=count)), fewest)


def _chosen(images: Sequence[Image], found: Solution | None, fewest: Solution | None) -> Choice:
    if found is None:
        return Choice()
    chosen = tuple(images[place] for place in found.chosen)
    bound = ceil(fewest.bound - _SLACK) if fewest else 1
    return Choice(chosen, optimal=found.optimal and (fewest is None or fewest.optimal), bound=bound)


def fewer(images: Sequence[Image], weights: Sequence[int], count: int) -> Iterator[Choice]:
    """Yield for each smaller number of images the choice that needs the fewest driver upgrades, until none is enough.

    Args:
        images: the preferred first.
        weights: of each class the number of its nodes.
        count: the number of images that is enough as the drivers are.
    """
    kept, columns = undominated(images, lambda image: dict.fromkeys(image.upgraded, 1) | dict.fromkeys(image.behind, 0))
    served = dict(enumerate(weights))
    for most in range(count - 1, 0, -1):
        found = solve(Programme(served, columns, most=most))
        if found is None:
            return
        bound = ceil(found.bound - _SLACK)
        chosen = tuple(kept[place] for place in found.chosen)
        yield Choice(chosen, optimal=found.optimal, bound=bound, upgrades=round(found.cost))
