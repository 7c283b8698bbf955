"""What resolving for one vendor ends with: a stack, or the reason why there is none."""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from provision.model import Backend, Rejection, Request, Stack
from provision.resolve.rules import bracketed
from provision.resolve.trial import Refused, Rules, Trial, explained, first_stack

# What a request can ask for of the stack itself.
WISHES: Final = ("tensorflow", "backend", "python", "base", "cuda", "rocm")
# What stands in for TensorFlow, the best first. JAX: XLA compiles a model for the GPU that it finds, as it does for
# TensorFlow. torch serves what JAX does not.
STAND_INS: Final[tuple[Backend, ...]] = ("jax", "torch")


class Failure(NamedTuple):
    """No stack: `fix` is set when it does not depend on trying other hosts or requests."""

    code: str
    what: str
    why: str = ""
    fix: str = ""
    refused: tuple[Refused, ...] = ()

    @property
    def rejected(self) -> tuple[Rejection, ...]:
        """Every candidate that was tried, with the first rule that it breaks."""
        return tuple(one.rejection for one in self.refused)

    def broken(self) -> list[Rules]:
        """Return all rules that each candidate breaks. Rules that nobody asked yet are asked now."""
        return [rules for one in self.refused for rules in one.trial.broken()]


Outcome = Stack | Failure


def outcome(trials: Iterable[Trial], host_part: Callable[[], str], request: Request) -> Outcome:
    """Return the first stack, or the failure that names the host, by `host_part`, and what was refused."""
    tried = first_stack(trials)
    return explained(tried.stack, tried.refused) if tried.stack else none_left(tried.refused, host_part(), request)


def told(one: Rejection) -> str:
    """Return a refused candidate in words, with the source."""
    return f"{one.candidate}: {one.reason}{bracketed(one.source)}"


def none_left(refused: tuple[Refused, ...], host_part: str, request: Request) -> Failure:
    """Return the failure that tells the most: the newest candidate that the request itself does not exclude."""
    rejected = [one.rejection for one in refused]
    telling = [one for one in rejected if not one.rule.startswith("requested-")]
    chosen = (telling or rejected)[0]
    asked = any(getattr(request, wish) is not None for wish in WISHES)
    return Failure(
        "KGE-212",
        f"No stack of the catalogue satisfies {host_part}{' and what was asked for' if asked else ''}.",
        why=told(chosen),
        refused=refused,
    )
