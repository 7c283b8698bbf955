"""The solver's choice against every possible one, on a thousand small fleets."""

import random
from itertools import combinations

import pytest

from provision.fleet.choice import choose, fewer
from provision.fleet.columns import Image
from provision.model import Base, Framework, Route, Stack, Vendor
from provision.model.fleet import PlanWishes

FLEETS = 1000


def stack(minor: int) -> Stack:
    return Stack(
        vendor=Vendor.CUDA,
        route=Route.WHEELS,
        framework=Framework(name="tensorflow", version=f"2.{minor}.0"),
        runtime=Framework(name="cuda", version="12.5.1"),
        python="3.11",
        base=Base(image="debian:bookworm-slim"),
    )


def fleet(seed: int) -> tuple[list[Image], list[int]]:
    """Return up to nine images and the weights of up to twelve classes; each class is served by some image."""
    dice = random.Random(seed)
    weights = [dice.randint(1, 40) for _ in range(dice.randint(1, 12))]
    images = [Image(f"image-{place}", stack(dice.randint(10, 21))) for place in range(dice.randint(1, 9))]
    for place in range(len(weights)):
        some = dice.sample(images, dice.randint(1, len(images)))
        newest = max(int(image.stack.framework.version.split(".")[1]) for image in some)
        for image in some:
            image.behind[place] = newest - int(image.stack.framework.version.split(".")[1])
        for image in dice.sample(images, dice.randint(0, len(images))):
            if image not in some:
                image.upgraded[place] = "driver 580 or newer"
    return sorted(images, key=lambda image: image.order), weights


def behind(images: tuple[Image, ...], weights: list[int]) -> int | None:
    """Return the releases that the nodes are behind together; None where some node is served by none."""
    total = 0
    for place, weight in enumerate(weights):
        costs = [image.behind[place] for image in images if place in image.behind]
        if not costs:
            return None
        total += min(costs) * weight
    return total


def every(images: list[Image]) -> list[tuple[Image, ...]]:
    return [some for count in range(1, len(images) + 1) for some in combinations(images, count)]


@pytest.mark.parametrize("block", range(10))
def test_the_choice_is_the_best_of_all(block: int) -> None:
    for seed in range(block * FLEETS // 10, (block + 1) * FLEETS // 10):
        images, weights = fleet(seed)
        found = choose(images, weights, PlanWishes())
        served = [(len(some), cost) for some in every(images) if (cost := behind(some, weights)) is not None]
        assert (len(found.images), behind(found.images, weights)) == min(served), seed
        assert found.optimal
        assert found.bound == min(served)[0], seed


def test_a_price_weighs_images_against_releases() -> None:
    for seed in range(200):
        images, weights = fleet(seed)
        served = [(len(some), cost) for some in every(images) if (cost := behind(some, weights)) is not None]
        for price in (0.5, 10.0, 100.0):
            found = choose(images, weights, PlanWishes(image_price=price))
            cost = behind(found.images, weights)
            assert cost is not None
            least = min(count * price + other for count, other in served)
            assert len(found.images) * price + cost == pytest.approx(least), seed


def test_a_limit_serves_as_many_nodes_as_it_can() -> None:
    for seed in range(200):
        images, weights = fleet(seed)
        found = choose(images, weights, PlanWishes(max_images=1))
        assert len(found.images) == 1
        nodes = max(sum(weights[place] for place in image.behind) for image in images)
        assert sum(weights[place] for place in found.images[0].behind) == nodes, seed


def test_one_tensorflow_serves_as_many_nodes_as_it_can() -> None:
    for seed in range(200):
        images, weights = fleet(seed)
        found = choose(images, weights, PlanWishes(same_tensorflow=True))
        assert len({image.stack.framework.version for image in found.images}) == 1
        reach: dict[str, set[int]] = {}
        for image in images:
            reach.setdefault(image.stack.framework.version, set()).update(image.behind)
        best = max(sum(weights[place] for place in places) for places in reach.values())
        assert sum(weights[place] for place in {one for image in found.images for one in image.behind}) == best, seed


def upgrades(images: tuple[Image, ...], weights: list[int]) -> int | None:
    total = 0
    for place, weight in enumerate(weights):
        if any(place in image.behind for image in images):
            continue
        if not any(place in image.upgraded for image in images):
            return None
        total += weight
    return total


def test_fewer_images_need_the_fewest_upgrades() -> None:
    points = 0
    for seed in range(200):
        images, weights = fleet(seed)
        count = len(choose(images, weights, PlanWishes()).images)
        found = list(fewer(images, weights, count))
        for most in range(count - 1, 0, -1):
            costs = [
                cost for some in every(images) if len(some) <= most and (cost := upgrades(some, weights)) is not None
            ]
            if not costs:
                assert len(found) == count - 1 - most, seed
                break
            point = found[count - 1 - most]
            assert (point.upgrades, point.bound, point.optimal) == (min(costs), min(costs), True), seed
            points += 1
    assert points > 100  # the fleets really have curves


def test_no_image_serves_no_class() -> None:
    assert choose([], [3], PlanWishes()).images == ()
    assert choose([], [], PlanWishes()).images == ()
