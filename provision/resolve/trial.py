"""How every framework is chosen for every vendor: candidates are tried in turn, and the first that fits is taken."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, NamedTuple, Protocol, TypeVar

from msgspec.structs import replace

from provision.model import Rejection, Stack
from provision.resolve.rule_names import RuleName
from provision.resolve.rules import Asked, Broken, Rule

B = TypeVar("B")
Rules = frozenset[RuleName]  # all that one candidate breaks


class Labelled(Protocol):
    """A candidate that a person can be told of."""

    @property
    def label(self) -> str:
        """Framework and runtime with their versions."""


L = TypeVar("L", bound=Labelled)


@dataclass(frozen=True)
class Way(Generic[L, B]):
    """How a candidate becomes a stack: the rules, then its base, then what is installed on it."""

    rules: Sequence[Rule[L]]
    base: Callable[[L], B | Broken]
    stack: Callable[[L, B], Stack]


class Trial(Protocol):
    """A candidate, or several of one release, that either become a stack or are refused."""

    def result(self) -> Stack | Rejection:
        """Return the stack, or the first rule that is broken."""

    def broken(self) -> list[Rules]:
        """Return all rules that each candidate breaks; only what `result` did not ask yet is asked."""


class Single(Generic[L, B]):
    """The trial of one candidate."""

    def __init__(self, way: Way[L, B], candidate: L) -> None:
        self._way, self._asked = way, Asked(way.rules, candidate)

    def result(self) -> Stack | Rejection:
        """Return the stack, or the first rule that is broken."""
        found = self._asked.first or self._base
        if isinstance(found, Broken):
            return rejection(self._asked.candidate.label, found)
        return self._way.stack(self._asked.candidate, found)

    def broken(self) -> list[Rules]:
        """Return all rules that the candidate breaks."""
        return [self._asked.broken | rule_of(self._base)]

    @cached_property
    def _base(self) -> B | Broken:
        return self._way.base(self._asked.candidate)


class Refused(NamedTuple):
    """A trial that gave no stack, and the rule that it is told by."""

    rejection: Rejection
    trial: Trial


class Tried(NamedTuple):
    """The trials of one framework in the order of preference: those that were refused, and the stack that was found."""

    refused: tuple[Refused, ...]
    stack: Stack | None = None


def first_stack(trials: Iterable[Trial]) -> Tried:
    """Return the first stack, with everything that was refused before it."""
    refused: list[Refused] = []
    for trial in trials:
        found = trial.result()
        if isinstance(found, Stack):
            return Tried(tuple(refused), found)
        refused.append(Refused(found, trial))
    return Tried(tuple(refused))


def explained(stack: Stack, refused: Sequence[Refused]) -> Stack:
    """Return a stack that tells what was refused before it."""
    rejected = tuple(one.rejection for one in refused)
    return replace(stack, why=why_not_newer(rejected), rejected=rejected)


def why_not_newer(rejected: Sequence[Rejection]) -> str:
    """Return why the newest candidate is not the answer, or nothing when only the request excludes it."""
    telling = [one for one in rejected if not one.rule.startswith("requested-")]
    return f"not {telling[0].candidate}: {telling[0].reason}" if telling else ""


def rejection(candidate: str, broken: Broken) -> Rejection:
    """Return the record of a rule that removed a candidate."""
    return Rejection(candidate=candidate, rule=str(broken.rule), reason=broken.reason, source=broken.source)


def rule_of(found: object) -> Rules:
    """Return the name of a broken rule; nothing for what breaks none."""
    return frozenset({found.rule}) if isinstance(found, Broken) else frozenset()
