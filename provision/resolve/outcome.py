"""What resolving for one vendor ends with: a stack, or the reason why there is none."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from provision.model import Rejection, Request, Stack
from provision.resolve.rules import Broken, bracketed

# What a request can ask for of the stack itself.
WISHES: Final = ("tensorflow", "backend", "python", "base", "cuda", "rocm")


class Failure(NamedTuple):
    """No stack: `fix` is set when it does not depend on trying other hosts or requests."""

    code: str
    what: str
    why: str = ""
    fix: str = ""
    rejected: tuple[Rejection, ...] = ()


Outcome = Stack | Failure


class Tried(NamedTuple):
    """The candidates of one framework, newest first: those that were refused, and the one that was not."""

    rejected: tuple[Rejection, ...] = ()
    stack: Stack | None = None

    def refused(self, candidate: str, broken: Broken) -> "Tried":
        """Return this with one more candidate that breaks a rule."""
        return self._replace(rejected=(*self.rejected, rejection(candidate, broken)))

    def chosen(self, stack: Stack) -> "Tried":
        """Return this with the candidate that breaks none."""
        return self._replace(stack=stack)


def rejection(candidate: str, broken: Broken) -> Rejection:
    """Return the record of a rule that removed a candidate."""
    return Rejection(candidate=candidate, rule=broken.rule, reason=broken.reason, source=broken.source)


def told(one: Rejection) -> str:
    """Return a refused candidate in words, with the source."""
    return f"{one.candidate}: {one.reason}{bracketed(one.source)}"


def none_left(rejected: Sequence[Rejection], host_part: str, request: Request) -> Failure:
    """Return the failure that tells the most: the newest candidate that the request itself does not exclude."""
    telling = [one for one in rejected if not one.rule.startswith("requested-")]
    chosen = (telling or rejected)[0]
    asked = any(getattr(request, wish) is not None for wish in WISHES)
    return Failure(
        "KGE-212",
        f"No stack of the catalogue satisfies {host_part}{' and what was asked for' if asked else ''}.",
        why=told(chosen),
        rejected=tuple(rejected),
    )


def why_not_newer(rejected: Sequence[Rejection]) -> str:
    """Return why the newest candidate is not the answer, or nothing when only the request excludes it."""
    telling = [one for one in rejected if not one.rule.startswith("requested-")]
    return f"not {telling[0].candidate}: {telling[0].reason}" if telling else ""
