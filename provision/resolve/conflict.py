"""Why nothing is left: a smallest set of rules that together remove every candidate."""

from collections.abc import Sequence
from itertools import combinations

from provision.resolve.rule_names import RuleName
from provision.resolve.trial import Rules


def smallest_cover(broken: Sequence[Rules]) -> tuple[RuleName, ...]:
    """Return the smallest set that has a rule of each candidate's, in the order of `RuleName`.

    Empty when there is no candidate, or one breaks none.
    """
    kinds = set(broken)
    if not kinds or not all(kinds):
        return ()
    every = frozenset().union(*kinds)
    names = [name for name in RuleName if name in every]
    covers = (
        chosen
        for size in range(1, len(names) + 1)
        for chosen in combinations(names, size)
        if not any(kind.isdisjoint(chosen) for kind in kinds)
    )
    return next(covers, ())


def in_words(rules: Sequence[RuleName]) -> str:
    """Return the rules of a cover with their meaning, as a sentence."""
    told = "; ".join(f"{rule} ({rule.words})" for rule in rules)
    return f"Every candidate breaks {'this rule' if len(rules) == 1 else 'one of these rules'}: {told}"
