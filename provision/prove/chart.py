"""The loss curve of the report page, as numbers and words that a template draws."""

import math
from collections.abc import Iterator
from typing import NamedTuple

LABELLED = 7  # so many loss values fit on the curve side by side
PLOTTED = 1e100  # a loss beyond this is listed, not drawn: the axis would overflow


class Tick(NamedTuple):
    """A labelled place on an axis of the chart, in the units of its viewBox."""

    at: float
    text: str


class Point(NamedTuple):
    """One epoch's loss on the chart, in the units of its viewBox."""

    x: float
    y: float
    label: str  # empty where labels would touch


class Box(NamedTuple):
    """The chart's viewBox and, inside it, the plot."""

    width: int = 400
    height: int = 210
    left: int = 46
    right: int = 384
    top: int = 28
    bottom: int = 170


class Chart(NamedTuple):
    """A loss curve, ready to be drawn."""

    box: Box
    points: tuple[Point, ...]
    lines: tuple[str, ...]  # the `points` of a polyline each; more than one where a value cannot be drawn
    epochs: tuple[Tick, ...]
    losses: tuple[Tick, ...]
    values: tuple[str, ...]  # every epoch's loss in words


def chart(losses: tuple[float, ...]) -> Chart | None:
    """Return the curve of the mean loss per epoch, or None when no value can be drawn."""
    drawn = [value for value in losses if _drawable(value)]
    if not drawn:
        return None
    box = Box()
    marks = _ticks(min(0.0, *drawn), max(0.0, *drawn))
    low, span = marks[0], marks[-1] - marks[0]

    def across(index: int) -> float:
        share = index / (len(losses) - 1) if len(losses) > 1 else 0.5
        return round(box.left + 14 + (box.right - box.left - 28) * share, 1)

    def up(value: float) -> float:
        return round(box.bottom - (box.bottom - box.top) * (value - low) / span, 1)

    places = [(across(index), up(value)) if _drawable(value) else None for index, value in enumerate(losses)]
    step = math.ceil(len(losses) / LABELLED)
    return Chart(
        box=box,
        points=tuple(_points(losses, places)),
        lines=tuple(_lines(places)),
        epochs=tuple(Tick(across(index), str(index + 1)) for index in range(0, len(losses), step)),
        losses=tuple(Tick(up(mark), f"{mark:g}") for mark in marks),
        values=tuple(number(value) for value in losses),
    )


def number(value: float) -> str:
    """Return a loss in three significant digits."""
    return f"{value:.3g}" if math.isfinite(value) else "not a number"


def _drawable(value: float) -> bool:
    return math.isfinite(value) and abs(value) < PLOTTED


def _ticks(low: float, high: float) -> tuple[float, ...]:
    """Return round numbers that enclose `low` and `high`, 2 to 7 of them."""
    rough = (high - low) / 4
    if rough < 1 / PLOTTED:
        return 0.0, 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    return tuple(index * step for index in range(math.floor(low / step), math.ceil(high / step) + 1))


def _points(losses: tuple[float, ...], places: list[tuple[float, float] | None]) -> Iterator[Point]:
    ends = {0, len(losses) - 1}
    for index, place in enumerate(places):
        if place is not None:
            told = len(losses) <= LABELLED or index in ends
            yield Point(*place, number(losses[index]) if told else "")


def _lines(places: list[tuple[float, float] | None]) -> Iterator[str]:
    run: list[str] = []
    for place in (*places, None):
        if place is not None:
            run.append(f"{place[0]},{place[1]}")
            continue
        if len(run) > 1:
            yield " ".join(run)
        run = []
