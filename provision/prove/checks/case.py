"""What a check looks at, and what it answers."""

from collections.abc import Callable
from typing import TypeAlias

from provision.engine.protocol import Ran
from provision.model import Status, Value
from provision.model.proof import LibraryRow
from provision.probe.monitor import HostView
from provision.prove.evidence import Evidence, Problem
from provision.prove.expectation import Expectation

Outcome: TypeAlias = tuple[Status, str]  # and the detail: what was seen


class Case(Value):
    """Everything that is known of one run of the workload."""

    expectation: Expectation
    ran: Ran
    found: Evidence | Problem  # what the workload recorded, or why there is nothing
    libraries: tuple[LibraryRow, ...] = ()  # what the GPU's libraries were seen to do
    outside: HostView | None = None  # what the host saw of the workload; None: nobody looked

    @property
    def recorded(self) -> bool:
        """The framework could be asked: there is evidence, and not of a failed import."""
        return isinstance(self.found, Evidence) and self.found.import_error is None

    @property
    def evidence(self) -> Evidence:
        """What the workload recorded.

        Raises:
            LookupError: nothing; the judge asks no check then that needs it.
        """
        if isinstance(self.found, Evidence):
            return self.found
        raise LookupError(self.found.what)


CheckFunction: TypeAlias = Callable[[Case], Outcome]


def nothing(case: Case) -> Outcome:  # noqa: ARG001 - the signature of every check
    """Nothing was recorded to judge by."""
    return Status.UNKNOWN, "nothing was recorded"
