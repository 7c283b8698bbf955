"""Draws how seconds grow with a number of things, on logarithmic axes, as a picture that fetches nothing."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 430, 76, 690, 86, 370  # of the picture, and of the plot inside it
INSET = 30  # from the plot's sides to its first and last column
Growth = Mapping[int, float]  # seconds by number


class Mark(NamedTuple):
    """A place in the picture and what is said there."""

    x: float
    y: float
    label: str


def growth(title: str, across: str, curves: Mapping[str, Growth], limits: Growth) -> str:
    """Return the picture as SVG.

    Args:
        title: above it.
        across: what is counted.
        curves: by their names; the values of the first one are written at its points.
        limits: what the first curve is to stay below.
    """
    numbers = _decades(number for one in curves.values() for number in one)
    seconds = _decades(value for one in (*curves.values(), limits) for value in one.values())

    def mark(number: float, value: float, label: str) -> Mark:
        x = LEFT + INSET + (RIGHT - LEFT - 2 * INSET) * _share(number, numbers)
        y = BOTTOM - (BOTTOM - TOP) * _share(value, seconds)
        return Mark(round(x, 1), round(y, 1), label)

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, autoescape=True, trim_blocks=True
    )
    return environment.get_template("plot.svg.j2").render(
        title=title,
        across=across,
        box=(WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM),
        columns=[mark(number, seconds[0], f"{number:,.0f}") for number in numbers],
        rows=[mark(numbers[0], value, _time(value)) for value in seconds],
        curves={
            name: [mark(number, value, f"{value:.2g}") for number, value in one.items()] for name, one in curves.items()
        },
        limits=[mark(number, value, f"limit {value:g} s") for number, value in limits.items()],
    )


def _decades(values: Iterable[float]) -> list[float]:
    """Return the powers of ten that enclose values above zero."""
    powers = [math.log10(value) for value in values]
    return [10.0**power for power in range(math.floor(min(powers)), math.ceil(max(powers)) + 1)]


def _time(seconds: float) -> str:
    """Return seconds in the unit that needs no more than three digits."""
    unit, name = next(one for one in ((1, "s"), (1e-3, "ms"), (1e-6, "µs")) if seconds >= one[0] * 0.99)
    return f"{seconds / unit:g} {name}"


def _share(value: float, decades: list[float]) -> float:
    low, high = math.log10(decades[0]), math.log10(decades[-1])
    return (math.log10(value) - low) / (high - low)
