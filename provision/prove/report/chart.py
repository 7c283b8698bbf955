"""The loss curves of the report page, as numbers and words that a template draws."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from provision.compat import Self

LABELLED = 7  # so many loss values fit on the curve side by side
LABEL = 4.0, 26.0  # where above its point a label would hide another mark, in the units of the viewBox
PLOTTED = 1e100  # a loss beyond this is listed, not drawn: the axis would overflow

Place: TypeAlias = tuple[float, float] | None  # None where a value cannot be drawn


class Point(NamedTuple):
    """One epoch's loss, or a labelled place on an axis of the chart, in the units of its viewBox."""

    x: float
    y: float
    label: str  # empty where it would touch another one or cover a mark


class Box(NamedTuple):
    """The chart's viewBox and, inside it, the plot."""

    width: int = 400
    height: int = 210
    left: int = 46
    right: int = 384
    top: int = 28
    bottom: int = 170

    @classmethod
    def with_legend(cls) -> Self:
        """Return a box with a line for the curves' names above the plot."""
        return cls(height=228, top=46, bottom=188)


class Curve(NamedTuple):
    """The losses of one training."""

    name: str
    points: tuple[Point, ...]
    lines: tuple[str, ...]  # the `points` of a polyline each; more than one where a value cannot be drawn
    values: tuple[str, ...]  # every epoch's loss in words


class Chart(NamedTuple):
    """One curve or more on the same axes, ready to be drawn."""

    box: Box
    curves: tuple[Curve, ...]
    epochs: tuple[Point, ...]  # on the axis below
    losses: tuple[Point, ...]  # on the axis at the left

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """Return each epoch's losses in words, one per curve; empty where a training had ended."""
        length = max(len(curve.values) for curve in self.curves)
        return tuple(
            tuple(curve.values[index] if index < len(curve.values) else "" for curve in self.curves)
            for index in range(length)
        )

    @property
    def labelled(self) -> bool:
        """Return whether the drawing itself tells every value."""
        return len(self.curves) == 1 and len(self.rows) <= LABELLED


def chart(trainings: Mapping[str, tuple[float, ...]]) -> Chart | None:
    """Return the curves of the mean loss per epoch, or None when no value can be drawn.

    Args:
        trainings: the losses by the training's name, the one with labels at its points first. One without any loss
            gets no curve.
    """
    told = {name: losses for name, losses in trainings.items() if losses}
    drawn = [value for losses in told.values() for value in losses if _drawable(value)]
    if not drawn:
        return None
    box, length = Box() if len(told) == 1 else Box.with_legend(), max(map(len, told.values()))
    marks = _ticks(min(0.0, *drawn), max(0.0, *drawn))
    low, span = marks[0], marks[-1] - marks[0]

    def across(index: int) -> float:
        share = index / (length - 1) if length > 1 else 0.5
        return round(box.left + 14 + (box.right - box.left - 28) * share, 1)

    def up(value: float) -> float:
        return round(box.bottom - (box.bottom - box.top) * (value - low) / span, 1)

    first, *others = (_curve(name, losses, across, up) for name, losses in told.items())
    return Chart(
        box=box,
        curves=(_labelled(first, others), *others),
        epochs=tuple(
            Point(across(index), box.bottom, str(index + 1)) for index in range(0, length, math.ceil(length / LABELLED))
        ),
        losses=tuple(Point(box.left, up(mark), f"{mark:g}") for mark in marks),
    )


def number(value: float) -> str:
    """Return a loss in three significant digits."""
    return f"{value:.3g}" if math.isfinite(value) else "not a number"


def _curve(name: str, losses: tuple[float, ...], across: Callable[[int], float], up: Callable[[float], float]) -> Curve:
    places = [(across(index), up(value)) if _drawable(value) else None for index, value in enumerate(losses)]
    points = (Point(*place, number(losses[index])) for index, place in enumerate(places) if place is not None)
    return Curve(
        name=name, points=tuple(points), lines=tuple(_lines(places)), values=tuple(number(value) for value in losses)
    )


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


def _labelled(curve: Curve, others: list[Curve]) -> Curve:
    """Return a curve without the labels that would touch each other or cover another curve's point."""
    marks = {point.x: point.y for other in others for point in other.points}
    few, last = len(curve.values) <= LABELLED, len(curve.points) - 1

    def told(index: int, point: Point) -> bool:
        low, high = LABEL
        return (few or index in {0, last}) and not low < point.y - marks.get(point.x, point.y) < high

    points = (point if told(index, point) else point._replace(label="") for index, point in enumerate(curve.points))
    return curve._replace(points=tuple(points))


def _lines(places: list[Place]) -> Iterator[str]:
    run: list[str] = []
    for place in (*places, None):
        if place is not None:
            run.append(f"{place[0]},{place[1]}")
            continue
        if len(run) > 1:
            yield " ".join(run)
        run = []
