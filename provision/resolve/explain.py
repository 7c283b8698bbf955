"""Explanations that a person can read: why nothing newer, why nothing at all, and what fell for the same reason."""

import re
import textwrap
from collections.abc import Iterable, Sequence
from itertools import combinations

from provision.catalogue import Catalogue
from provision.catalogue.sources import cited
from provision.model import Rejection, Stack, Vendor
from provision.resolve.rule_names import RuleName, bracketed

_WIDTH = 120
_INDENT = " " * len("Upgrade   ")


def told(one: Rejection) -> str:
    """Return a refused candidate in words, with the source."""
    return f"{one.candidate}: {one.reason}{bracketed(one.source)}"


def telling(rejected: Sequence[Rejection]) -> Rejection | None:
    """Return the newest candidate that the request itself does not exclude."""
    return next((one for one in rejected if not one.rule.startswith("requested-")), None)


def why_not_newer(rejected: Sequence[Rejection]) -> str:
    """Return why the newest candidate is not the answer, or nothing when only the request excludes it."""
    one = telling(rejected)
    return f"not {one.candidate}: {one.reason}" if one else ""


def smallest_cover(broken: Sequence[frozenset[RuleName]]) -> tuple[RuleName, ...]:
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


def conflict(rules: Sequence[RuleName], vendor: Vendor) -> str:
    """Return the rules of a cover with their meaning for a vendor's GPUs, as a sentence."""
    meanings = "; ".join(f"{rule} ({rule.told(vendor)})" for rule in rules)
    return f"Every candidate breaks {'this rule' if len(rules) == 1 else 'one of these rules'}: {meanings}"


def grouped(rejected: tuple[Rejection, ...]) -> list[list[Rejection]]:
    """Return the rejections by reason, in the order in which each reason first appears.

    The source told is the first one's; every candidate's own is in the JSON.
    """
    found: dict[tuple[str, str, str], list[Rejection]] = {}
    for one in rejected:
        found.setdefault((_framework(one.candidate), one.rule, _general(one)), []).append(one)
    return list(found.values())


def explanation(stack: Stack) -> list[str]:
    """Return a stack's explanation as lines: what was not taken and why, then what newer drivers would give."""
    return [*rejections(stack.rejected), *gains(stack)]


def rejections(rejected: tuple[Rejection, ...]) -> list[str]:
    """Return the candidates that fell, each reason once, as lines."""
    lines: list[str] = []
    for one, *others in grouped(rejected):
        lines += [f"Not       {one.candidate}: {one.reason}", f"          {one.rule}{bracketed(one.source)}"]
        if others:
            same = f"the same: {_framework(one.candidate)} {_folded([other.candidate for other in others])}"
            lines += textwrap.wrap(same, _WIDTH, initial_indent=_INDENT, subsequent_indent=f"{_INDENT}  ")
    return lines


def gains(stack: Stack) -> list[str]:
    """Return the smallest driver upgrade and the one that gains most, or that there is none to gain, as lines."""
    found = stack.upgrades
    if not found and not stack.rejected:
        return ["Newest    nothing newer is in the catalogue"]
    if not found:
        return ["Upgrade   no driver upgrade changes this."]
    lines = [f"Upgrade   {found[0].change} gives {found[0].gives}"]
    if len(found) > 1:
        lines.append(f"          {found[-1].change} gives {found[-1].gives}")
    return lines


def sources(catalogue: Catalogue, lines: Iterable[str]) -> list[str]:
    """Return what the abbreviations in the brackets of an explanation's lines stand for, as lines."""
    found = cited(catalogue.sources, *re.findall(r"\[([^][]*)\]", "\n".join(lines)))
    return [f"{'' if number else 'Sources':<10}{one.line}" for number, one in enumerate(found)]


def _framework(candidate: str) -> str:
    """Return the name with which a candidate begins: "TensorFlow" of "TensorFlow 2.21.0, CUDA 12.5.1"."""
    return candidate.partition(" ")[0]


def _general(one: Rejection) -> str:
    """Return the reason without what is the candidate's own: its versions."""
    text = one.reason
    for word in sorted(one.candidate.replace(",", "").split(), key=len, reverse=True):
        if word[0].isdigit():
            text = text.replace(word, "*").replace(".".join(word.split(".")[:2]), "*")
    return text


def _folded(candidates: Sequence[str]) -> str:
    """Return candidates as "2.20.0, 2.19.1 (CUDA 12.5.1); 2.17.1 (CUDA 12.3.1)"."""
    runtimes: dict[str, list[str]] = {}
    for candidate in candidates:
        framework, _, rest = candidate.partition(" ")[2].partition(", ")
        runtime = rest.partition(", ")[0]
        runtimes.setdefault(framework, [])
        if runtime and runtime not in runtimes[framework]:
            runtimes[framework].append(runtime)
    parts: list[tuple[list[str], list[str]]] = []
    for framework, found in runtimes.items():
        if parts and parts[-1][1] == found:
            parts[-1][0].append(framework)
        else:
            parts.append(([framework], found))
    return "; ".join(", ".join(frameworks) + _bracketed(found) for frameworks, found in parts)


def _bracketed(runtimes: list[str]) -> str:
    if not runtimes:
        return ""
    kind = runtimes[0].partition(" ")[0]
    return f" ({kind} {', '.join(one.removeprefix(f'{kind} ') for one in runtimes)})"
