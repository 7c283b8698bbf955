"""What a rule is: a predicate over a candidate that says, in words and with a source, why it fails."""

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

C = TypeVar("C")


class Broken(NamedTuple):
    """A rule that a candidate does not satisfy."""

    rule: str
    reason: str
    source: str


Rule = Callable[[C], Broken | None]


def first_broken(rules: Iterable[Rule[C]], candidate: C) -> Broken | None:
    """Return the first rule that `candidate` breaks, or None when it satisfies all."""
    return next((broken for rule in rules if (broken := rule(candidate))), None)


def all_broken(rules: Iterable[Rule[C]], candidate: C) -> frozenset[str]:
    """Return the names of all rules that `candidate` breaks."""
    return frozenset(broken.rule for rule in rules if (broken := rule(candidate)))


def matches(version: str, asked: str | None) -> bool:
    """Tell whether `version` is what was asked for: "2.21.0" is a "2.21" and a "2.21.0", not a "2.2"."""
    return asked is None or version.split(".")[: asked.count(".") + 1] == asked.split(".")
