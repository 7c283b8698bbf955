"""What a rule is: a predicate over a candidate that says, in words and with a source, why it fails."""

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

from provision.catalogue import Catalogue
from provision.model import version_key

C = TypeVar("C")
REQUESTED = "what was asked for"  # the source of a rule that speaks of the request alone


class Broken(NamedTuple):
    """A rule that a candidate does not satisfy."""

    rule: str
    reason: str
    source: str


Rule = Callable[[C], Broken | None]


def bracketed(source: str) -> str:
    """Return a source as it ends a sentence; nothing for the request, which is no source to look up."""
    return "" if source == REQUESTED else f" [{source}]"


def first_broken(rules: Iterable[Rule[C]], candidate: C) -> Broken | None:
    """Return the first rule that `candidate` breaks, or None when it satisfies all."""
    return next((broken for rule in rules if (broken := rule(candidate))), None)


def all_broken(rules: Iterable[Rule[C]], candidate: C) -> frozenset[str]:
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
            return Broken("house", reason, row.source)
        if row.images and value not in row.images:
            return Broken("house", f"the site's rule {row.id} does not list {value}", row.source)
    return None
