"""The trial of a TensorFlow release on NVIDIA GPUs, with each CUDA and cuDNN that it can have."""

from collections.abc import Iterator
from functools import cached_property
from itertools import chain
from operator import itemgetter
from typing import Final

from provision.catalogue import Catalogue, rows
from provision.model import Host, Rejection, Request, Stack
from provision.resolve.common import names
from provision.resolve.cuda import Facts, TensorFlow, runtimes
from provision.resolve.cuda_rules import RELEASE_RULES, RUNTIME_RULES
from provision.resolve.cuda_stack import base_of, cuda_facts, cuda_stack
from provision.resolve.outcome import Failure, Outcome, outcome
from provision.resolve.rules import Asked, Broken
from provision.resolve.trial import Rules, rejection, rule_of


class ReleaseTrial:
    """A release. What its rules and its base say does not depend on the CUDA that goes with it, so it is asked once."""

    def __init__(self, facts: Facts, release: rows.TensorFlowRelease) -> None:
        candidates = runtimes(facts, release)
        self._first: Final = next(candidates)
        self._waiting: Final = chain((self._first,), candidates)  # for the rules about the CUDA
        self._release: Final = Asked(RELEASE_RULES, self._first)
        self._runtimes: Final[list[Asked[TensorFlow]]] = []

    def result(self) -> Stack | Rejection:
        """Return the stack with the first CUDA and cuDNN that fit, or a rule that is broken.

        When all of them fail, the one that comes furthest tells the reason.
        """
        if self._release.first:
            return rejection(self._first.label, self._release.first)
        failures: list[tuple[int, Rejection]] = []
        for asked in self._ask():
            if asked.first is None:
                return self._on_base(asked.candidate)
            failures.append((asked.place, rejection(asked.candidate.label, asked.first)))
        return max(failures, key=itemgetter(0))[1]

    def broken(self) -> list[Rules]:
        """Return all rules that the release breaks with each CUDA and cuDNN."""
        shared = self._release.broken | rule_of(self._base)
        return [shared | one.broken for one in (*self._runtimes, *self._ask())]

    def _ask(self) -> Iterator[Asked[TensorFlow]]:
        """Ask about each CUDA and cuDNN that is still waiting."""
        for candidate in self._waiting:
            self._runtimes.append(Asked(RUNTIME_RULES, candidate))
            yield self._runtimes[-1]

    def _on_base(self, chosen: TensorFlow) -> Stack | Rejection:
        base = self._base
        return rejection(chosen.label, base) if isinstance(base, Broken) else cuda_stack(chosen, base)

    @cached_property
    def _base(self) -> rows.BaseImage | rows.CudaBase | Broken:
        return base_of(self._first)


def resolve_cuda(catalogue: Catalogue, host: Host, request: Request) -> Outcome:
    """Return the newest stack for the host's NVIDIA GPUs, or why there is none."""
    facts = cuda_facts(catalogue, host, request)
    if isinstance(facts, Failure):
        return facts
    trials = (ReleaseTrial(facts, release) for release in catalogue.tensorflow)
    return outcome(trials, lambda: f"driver {facts.driver} with {names(facts.gpus)}", request)
