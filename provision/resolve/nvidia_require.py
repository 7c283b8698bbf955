"""The conditions in NVIDIA_REQUIRE_*: whether the classic runtime hook starts an image on a host.

Grammar and rules as in NVIDIA/nvidia-container-toolkit (internal/requirements, internal/config/image): a space means
"or", a comma means "and", several variables must all hold. Properties: cuda, driver, brand, arch.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from provision.errors import InputError
from provision.model import is_version, version_key

_TERM = r"(?P<name>[a-z]+)(?P<operator><=|>=|!=|<|>|=)(?P<value>[A-Za-z0-9.]+)"
_VERSIONS = ("cuda", "driver", "arch")
_COMPARE: Final[Mapping[str, Callable[[object, object], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,  # type: ignore[dict-item] # both sides are version keys
    ">": operator.gt,  # type: ignore[dict-item] # the same
    "<=": operator.le,  # type: ignore[dict-item] # the same
    ">=": operator.ge,  # type: ignore[dict-item] # the same
}


class Term(NamedTuple):
    """One comparison, such as ``driver<471``."""

    name: str
    operator: str
    value: str

    def __str__(self) -> str:
        return f"{self.name}{self.operator}{self.value}"


Alternative = tuple[Term, ...]  # all must hold


class Requirement(NamedTuple):
    """The value of one variable: one of the alternatives must hold."""

    variable: str
    alternatives: tuple[Alternative, ...]

    def __str__(self) -> str:
        return " ".join(",".join(map(str, terms)) for terms in self.alternatives)


class Seen(NamedTuple):
    """A GPU as the hook sees it. `brands` are the names that its product may have there."""

    cuda: str
    driver: str
    brands: frozenset[str]
    arch: str  # compute capability


def parse(variable: str, text: str) -> Requirement:
    """Return the requirement that a variable holds.

    Raises:
        InputError: KGE-241, the text does not follow the grammar.
    """
    return Requirement(variable, tuple(_alternative(variable, words) for words in text.split()))


def _alternative(variable: str, words: str) -> Alternative:
    found: list[Term] = []
    for word in words.split(","):
        match = re.fullmatch(_TERM, word)
        if match is None or (match["name"] in _VERSIONS and not is_version(match["value"])):
            raise InputError(
                "KGE-241",
                f"{variable} of the image cannot be read.",
                cause=f"{word!r} is no comparison such as cuda>=12.4",
                fix="NVIDIA's runtime refuses it too: correct the image, or set NVIDIA_DISABLE_REQUIRE=1",
            )
        found.append(Term(match["name"], match["operator"], match["value"]))
    return tuple(found)


def requirements(environment: Mapping[str, str]) -> tuple[Requirement, ...]:
    """Return what an image's environment asks for, as the hook reads it.

    A legacy image (CUDA_VERSION without NVIDIA_REQUIRE_CUDA) asks for that CUDA. NVIDIA_DISABLE_REQUIRE drops all;
    NVIDIA_REQUIRE_JETPACK* says something else.

    Raises:
        InputError: KGE-241, as `parse`.
    """
    if environment.get("NVIDIA_DISABLE_REQUIRE", "").lower() in {"1", "t", "true"}:
        return ()
    found = [
        parse(name, value)
        for name, value in sorted(environment.items())
        if name.startswith("NVIDIA_REQUIRE_") and not name.startswith("NVIDIA_REQUIRE_JETPACK") and value.strip()
    ]
    cuda = environment.get("CUDA_VERSION", "")
    if "NVIDIA_REQUIRE_CUDA" not in environment and (match := re.match(r"\d+\.\d+", cuda)):
        found.append(parse("CUDA_VERSION", f"cuda>={match[0]}"))
    return tuple(found)


def unmet(wanted: Iterable[Requirement], seen: Iterable[Seen]) -> tuple[Requirement, ...]:
    """Return the requirements that one of the GPUs does not meet."""
    gpus = tuple(seen)
    return tuple(one for one in wanted if not all(_holds(one, gpu) for gpu in gpus))


def _holds(requirement: Requirement, gpu: Seen) -> bool:
    return any(all(_true(term, gpu) for term in terms) for terms in requirement.alternatives)


def _true(term: Term, gpu: Seen) -> bool:
    if term.name == "brand":
        return (term.value in gpu.brands) is (term.operator == "=")
    have = {"cuda": gpu.cuda, "driver": gpu.driver, "arch": gpu.arch}.get(term.name)
    if have is None:
        return False  # the hook has no such property
    return _COMPARE[term.operator](*_padded(have, term.value))


def _padded(one: str, two: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    keys = version_key(one), version_key(two)
    length = max(map(len, keys))
    left, right = (key + (0,) * (length - len(key)) for key in keys)
    return left, right
