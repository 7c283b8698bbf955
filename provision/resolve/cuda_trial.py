"""The trial of a TensorFlow release on NVIDIA GPUs, with each CUDA and cuDNN that it can have."""

from functools import cached_property
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
        self._candidates: Final = runtimes(facts, release)
        self._release: Final = Asked(RELEASE_RULES, self._candidates[0])
        self._runtimes: Final[list[Asked[TensorFlow]]] = []

    def result(self) -> Stack | Rejection:
        """Return the stack with the first CUDA and cuDNN that fit, or a rule that is broken.

        When all of them fail, the one that comes furthest tells the reason.
        """
        if self._release.first:
            return rejection(self._candidates[0].label, self._release.first)
        failures: list[tuple[int, Rejection]] = []
        for candidate in self._candidates:
            asked = Asked(RUNTIME_RULES, candidate)
            self._runtimes.append(asked)
            if asked.first is None:
                return self._on_base(candidate)
            failures.append((asked.place, rejection(candidate.label, asked.first)))
        return max(failures, key=itemgetter(0))[1]

    def broken(self) -> list[Rules]:
        """Return all rules that the release breaks with each CUDA and cuDNN."""
        self._runtimes.extend(Asked(RUNTIME_RULES, one) for one in self._candidates[len(self._runtimes) :])
        shared = self._release.broken | rule_of(self._base)
        return [shared | one.broken for one in self._runtimes]

    def _on_base(self, chosen: TensorFlow) -> Stack | Rejection:
        base = self._base
        return rejection(chosen.label, base) if isinstance(base, Broken) else cuda_stack(chosen, base)

    @cached_property
    def _base(self) -> rows.BaseImage | rows.CudaBase | Broken:
        return base_of(self._candidates[0])


def resolve_cuda(catalogue: Catalogue, host: Host, request: Request) -> Outcome:
    """Return the newest stack for the host's NVIDIA GPUs, or why there is none."""
    facts = cuda_facts(catalogue, host, request)
    if isinstance(facts, Failure):
        return facts
    trials = (ReleaseTrial(facts, release) for release in catalogue.tensorflow)
    return outcome(trials, f"driver {facts.driver} with {names(facts.gpus)}", request)
