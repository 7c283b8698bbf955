"""The one mixed-integer programme of a plan, by HiGHS: which images, so that every class of nodes is served.

Source: the set covering and uncapacitated facility location problems as in any textbook; solved by https://highs.dev.
"""

import ctypes
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from provision.errors import InputError

if TYPE_CHECKING:
    from highspy import Highs

# One thread and one seed give the same plan each time. What is found when the time is over comes with its bound.
_OPTIONS: Final = {"threads": 1, "random_seed": 0, "mip_rel_gap": 0.0, "time_limit": 20.0, "output_flag": False}


class Column(Struct, frozen=True):
    """An image in the programme: the classes that it serves, each with what that costs a node of the class."""

    costs: Mapping[int, int]


class Programme(Struct, frozen=True):
    """Classes, and the images that serve them.

    Attributes:
        weights: class to the number of its nodes.
        columns: the images; classes without a weight do not count.
        price: of an image, in the unit of the columns' costs.
        most: the largest number of images; None: any.
        partly: what a node costs that is left without an image; None: none may be.
    """

    weights: Mapping[int, int]
    columns: Sequence[Column]
    price: float = 0.0
    most: int | None = None
    partly: float | None = None


class Solution(Struct, frozen=True):
    """What the solver found."""

    chosen: tuple[int, ...]  # columns
    cost: float
    optimal: bool
    bound: float  # no solution costs less


def solve(programme: Programme) -> Solution | None:
    """Return the cheapest choice of columns; None: there is none.

    Raises:
        InputError: KGE-954, the solver is not installed.
    """
    solver = _solver()
    with _quiet():
        model = solver.Highs()
        for option, value in _OPTIONS.items():
            model.setOptionValue(option, value)
        _state(solver, model, programme)
        model.run()
    status = model.getModelStatus()
    if status == solver.HighsModelStatus.kInfeasible:
        return None
    information = model.getInfo()
    values = list(model.getSolution().col_value)[: len(programme.columns)]
    if not values:
        fix = "plan parts of the fleet by themselves"
        raise InputError("KGE-955", "The solver found no plan in its time.", fix=fix)
    return Solution(
        chosen=tuple(place for place, value in enumerate(values) if value > 1 / 2),
        cost=information.objective_function_value,
        optimal=status == solver.HighsModelStatus.kOptimal,
        bound=information.mip_dual_bound,
    )


def _state(solver: ModuleType, model: "Highs", programme: Programme) -> None:
    """Put a programme into the solver: a variable an image, one a class and image where that costs, rows between."""
    infinity, number = solver.kHighsInf, len(programme.columns)
    for place in range(number):
        model.addCol(programme.price, 0.0, 1.0, 0, [], [])
        model.changeColIntegrality(place, solver.HighsVarType.kInteger)
    if programme.most is not None:
        model.addRow(-infinity, float(programme.most), number, list(range(number)), [1.0] * number)
    for one, weight in programme.weights.items():
        serving = [(place, column.costs[one]) for place, column in enumerate(programme.columns) if one in column.costs]
        terms = [place for place, cost in serving if not cost]
        for place, cost in serving:
            if cost:  # a variable of its own: the class gets only an image that there is
                terms.append(_variable(model, float(cost * weight)))
                model.addRow(-infinity, 0.0, 2, [terms[-1], place], [1.0, -1.0])
        if programme.partly is not None:
            terms.append(_variable(model, programme.partly * weight))
        model.addRow(1.0, infinity, len(terms), terms, [1.0] * len(terms))


def _variable(model: "Highs", cost: float) -> int:
    """Add a variable from 0 to 1, and return its place; with whole images it is whole by itself."""
    model.addCol(cost, 0.0, 1.0, 0, [], [])
    return int(model.getNumCol()) - 1


def _solver() -> ModuleType:
    try:
        with _quiet():
            import highspy  # noqa: PLC0415 - 150 ms, an extra
    except ImportError as error:
        fix = "pip install 'kgpu-env[fleet]'"
        raise InputError("KGE-954", "The solver of plans is not installed.", fix=fix) from error
    return highspy


@cache
def _c_library() -> ctypes.CDLL:
    """Return the C library of this process, loaded once."""
    return ctypes.CDLL(None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep stdout for the answer: the solver prints its name there, from C, whatever its options say."""
    sys.stdout.flush()
    library = _c_library()
    library.fflush(None)
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        library.fflush(None)
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
