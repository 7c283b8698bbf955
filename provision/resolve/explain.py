"""An explanation that a person can read: candidates that fell for the same reason stand together."""

import re
import textwrap
from collections.abc import Iterable
from typing import NamedTuple

from provision.catalogue import Catalogue
from provision.catalogue.sources import cited
from provision.model import Rejection, Stack
from provision.resolve.rules import bracketed

_WIDTH = 120
_INDENT = " " * len("Upgrade   ")


class Group(NamedTuple):
    """A rejection, and the candidates after it that fell for the same reason."""

    first: Rejection
    others: tuple[str, ...]


def grouped(rejected: tuple[Rejection, ...]) -> list[Group]:
    """Return the rejections by reason, in the order in which each reason first appears.

    The source told is the first one's; every candidate's own is in the JSON.
    """
    found: dict[tuple[str, str, str], list[Rejection]] = {}
    for one in rejected:
        found.setdefault((_framework(one.candidate), one.rule, _general(one)), []).append(one)
    return [Group(same[0], tuple(one.candidate for one in same[1:])) for same in found.values()]


def explanation(stack: Stack) -> list[str]:
    """Return a stack's explanation as lines: what was not taken and why, then what newer drivers would give."""
    return [*rejections(stack.rejected), *gains(stack)]


def rejections(rejected: tuple[Rejection, ...]) -> list[str]:
    """Return the candidates that fell, each reason once, as lines."""
    lines: list[str] = []
    for group in grouped(rejected):
        one = group.first
        lines += [f"Not       {one.candidate}: {one.reason}", f"          {one.rule}{bracketed(one.source)}"]
        if group.others:
            same = f"the same: {_framework(one.candidate)} {_folded(group.others)}"
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


def sources(catalogue: Catalogue, told: Iterable[str]) -> list[str]:
    """Return what the abbreviations in the brackets of an explanation's lines stand for, as lines."""
    found = cited(catalogue.sources, *re.findall(r"\[([^][]*)\]", "\n".join(told)))
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


def _folded(candidates: tuple[str, ...]) -> str:
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
