"""What a rule is: a predicate over a candidate that says, in words and with a source, why it fails."""

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

from provision.catalogue import Catalogue
from provision.model import version_key
from provision.resolve.rule_names import RuleName

C = TypeVar("C")
REQUESTED = "what was asked for"  # the source of a rule that speaks of the request alone


class Broken(NamedTuple):
    """A rule that a candidate does not satisfy."""

    rule: RuleName
    reason: str
    source: str


Rule = Callable[[C], Broken | None]


def bracketed(source: str) -> str:
    """Return a source as it ends a sentence; nothing for the request, which is no source to look up."""
    return "" if source == REQUESTED else f" [{source}]"


class Asked(Generic[C]):
    """A candidate before its rules: asked up to the first that it breaks, and on from there when somebody wants more.

    Attributes:
        candidate: what the rules look at.
        first: the first rule that it breaks, or None when it satisfies all.
        place: of the first among the rules, from 0: how far the candidate came.
    """

    __slots__ = ("_broken", "_rules", "candidate", "first", "place")  # a resolution makes some hundreds

    def __init__(self, rules: Sequence[Rule[C]], candidate: C) -> None:
        self.candidate, self.first, self.place = candidate, None, len(rules)
        self._rules = rules
        self._broken: frozenset[RuleName] | None = None
        for place, rule in enumerate(rules):
            if broken := rule(candidate):
                self.first, self.place = broken, place
                break

    @property
    def broken(self) -> frozenset[RuleName]:
        """The names of all rules that the candidate breaks."""
        if self._broken is None:
            first = {self.first.rule} if self.first else frozenset()
            self._broken = all_broken(self._rules[self.place + 1 :], self.candidate) | first
        return self._broken


def all_broken(rules: Iterable[Rule[C]], candidate: C) -> frozenset[RuleName]:
    """Return the names of all rules that `candidate` breaks."""
    return frozenset(broken.rule for rule in rules if (broken := rule(candidate)))


def matches(version: str, asked: str | None) -> bool:
    """Tell whether `version` is what was asked for: "2.21.0" is a "2.21" and a "2.21.0", not a "2.2"."""
    return asked is None or version.split(".")[: asked.count(".") + 1] == asked.split(".")


def house(catalogue: Catalogue, subject: str, value: str) -> Broken | None:
    """Return the site's own rule that a version or base image breaks."""
    for row in catalogue.house:
        if row.subject != subject:
            continue
        if row.newest and version_key(value)[: len(version_key(row.newest))] > version_key(row.newest):
            reason = f"the site's rule {row.id} allows no {subject} newer than {row.newest}, and this is {value}"
            return Broken(RuleName.HOUSE, reason, row.source)
        if row.images and value not in row.images:
            return Broken(RuleName.HOUSE, f"the site's rule {row.id} does not list {value}", row.source)
    return None
