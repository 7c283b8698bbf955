"""The most basic true cause of a verdict: one sentence, a code, a fix and the words it was recognised by.

`CAUSES` is their order: of several that are true, the first is told. The checks themselves follow, in their table's.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple, TypeAlias

from provision.catalogue.messages import KnownError
from provision.doctor.facts import Facts
from provision.engine.protocol import Ran
from provision.model import Check, ExpectedDevice, Status, Verdict
from provision.prove.checks import table
from provision.prove.checks.case import Case
from provision.prove.checks.container import FIX_HOST, SIGNALS, ending, hiding, nodes_inside
from provision.prove.checks.devices import counted
from provision.prove.checks.placement import learned_on_cpu
from provision.prove.checks.row import ELSEWHERE, NO_FRAMEWORK, NO_GPU, NO_PYTHON, NO_REPORT, NOT_VISIBLE, READ_LOG
from provision.prove.diagnose import Reason, diagnose
from provision.prove.evidence import Evidence, Failure, Problem

PYTHON_MISSING = re.compile(
    r"python3?\W*:?\s*(executable file not found|no such file|not found)|executable file \W?python", re.IGNORECASE
)
FRAMEWORK_MISSING = re.compile(r"No module named '(tensorflow|keras|jax|torch|numpy)'")
ON_CPU = "no pass-through was proved"  # what a training on the CPU never means
FIX_IMAGE = "Name an image that has Python and TensorFlow inside, or make one: kgpu-env build."
FIX_HERE = "Name the Python that has Keras and its backend with --python, and the backend with --backend."
FIX_TIME = "Give it more time with --timeout; a GPU may compile its kernels for minutes at the first start."
FIX_MEMORY = "Give the container more memory."
FIX_HIDDEN = "Unset it in this shell, service or job; a scheduler that sets it has given this job no GPU."
FIX_HIDDEN_IMAGE = "Take it out of the image's ENV or entry point, or out of the container's environment."


class Findings(NamedTuple):
    """What was looked at, what the checks say of it, and the message that may explain it."""

    case: Case
    checks: Mapping[str, Check]
    known: Reason | None

    def failed(self, name: str) -> bool:
        """Tell whether a check failed."""
        return name in self.checks and self.checks[name].status is Status.FAIL

    @property
    def import_error(self) -> Failure | None:
        """Why the framework cannot be imported."""
        return self.case.found.import_error if isinstance(self.case.found, Evidence) else None

    @property
    def unused(self) -> bool:
        """The GPU is not there, or not all of the training was on it."""
        return self.failed("visible") or self.failed("placement")

    def words(self, detail: str = "") -> dict[str, str]:
        """Return what a headline may name: the values of `provision.prove.checks.row.WORDS`."""
        expectation, found = self.case.expectation, self.case.found
        on_cpu = self.case.recorded and learned_on_cpu(self.case.evidence)
        return {
            "subject": expectation.subject,
            "framework": expectation.framework,
            "inside": expectation.inside,
            "maker": expectation.vendor.maker,
            "on_cpu": "; the model trained on the CPU" if on_cpu else "",
            "report": f"the workload did not {'report' if isinstance(found, Problem) else 'end well'}",
            "detail": detail,
        }

    def explained(self, headline: str) -> Reason | None:
        """Return the known message under a headline, a template as those of the table; None where none is known."""
        if self.known is None:
            return None
        known, speaker = self.known, f" (said by {self.known.speaker})" if self.known.speaker else ""
        return known._replace(text=f"{headline.format_map(self.words())}: {known.text}{speaker}")


Cause: TypeAlias = Callable[[Findings], Reason | None]


def with_missing(text: str, expected: tuple[ExpectedDevice, ...]) -> str:
    """Return a reason that begins with the devices that are missing, where others are there."""
    states = {item.seen for item in expected}
    return f"{counted(expected)}; {text}" if False in states and len(states) > 1 else text


def reason_of(case: Case, checks: tuple[Check, ...], verdict: Verdict, patterns: Iterable[KnownError]) -> Reason:
    """Return the reason of `verdict`: of several causes the one that must be fixed first."""
    if verdict is Verdict.PROVED:
        return Reason(f"the model trained and learned on {case.expectation.requested}")
    if verdict is Verdict.CPU:
        return Reason(f"the model trained and learned on the CPU, as asked; {ON_CPU}")
    known = diagnose(_said(case.ran, case.found), case.expectation.vendor, patterns, _facts(case))
    found = Findings(case, {item.name: item for item in checks}, known)
    return next((reason for cause in causes() if (reason := cause(found))), unexplained(found))


def causes() -> Iterator[Cause]:
    """Yield what may be the cause, the most basic first."""
    yield from CAUSES
    yield from (check(row.name) for row in table.rows())


def _facts(case: Case) -> Facts:
    """Return what the cause of a message may depend on."""
    host = case.expectation.host
    if not isinstance(case.found, Evidence):
        return Facts(host)
    inside, versions = case.found.environment, case.found.versions
    return Facts(host, None, inside.variables, tuple(node.path for node in inside.nodes), versions)


def _said(ran: Ran, evidence: Evidence | Problem) -> str:
    """Return everything that was said and may be recognised."""
    said = [ran.refused, ran.stderr]
    if ran.exit_code in SIGNALS:
        said.append(f"the process {ending(ran)}")
    if isinstance(evidence, Evidence):
        failures = [evidence.import_error, evidence.listing_error, *(record.error for record in evidence.trainings)]
        said += [failure.text for failure in failures if failure]
    return "\n".join(said)


def check(name: str) -> Cause:
    """Return the cause that a check is by itself: it failed, or a proof rests on it and it could not be judged."""

    def cause(found: Findings) -> Reason | None:
        row, item = table.row_of(name), found.checks.get(name)
        if row is None or row.code is None or item is None:
            return None
        if item.status is Status.FAIL:
            text = row.headline.format_map(found.words(item.detail))
            return Reason(text, row.code.id, row.fix_of(found.case), item.detail)
        if item.status is Status.UNKNOWN and Verdict.PROVED in row.required_for:
            return Reason(f"{name} could not be judged", row.code.id, READ_LOG, item.detail)
        return None

    return cause


def without_python(found: Findings) -> Reason | None:
    """The container could not start Python."""
    refused = found.case.ran.refused
    found_none = PYTHON_MISSING.search(refused)
    return Reason("the image has no Python", NO_PYTHON.id, FIX_IMAGE, refused) if found_none else None


def start_explained(found: Findings) -> Reason | None:
    """The engine refused, in words that are known."""
    return found.explained("the engine did not start the container") if found.failed("started") else None


def not_imported(found: Findings) -> Reason | None:
    """The framework is missing, or cannot be imported."""
    error = found.import_error
    if error is None:
        return None
    expectation, seen = found.case.expectation, f"{error.type}: {error.text}"
    code, fix = NO_FRAMEWORK.id, FIX_HERE if expectation.here else FIX_IMAGE
    if FRAMEWORK_MISSING.search(seen):
        return Reason(f"{expectation.subject} has no {expectation.framework}", code, fix, seen)
    text = f"{expectation.framework} cannot be imported"
    return found.explained("{framework} cannot be imported") or Reason(text, code, fix, seen)


def cut_short(found: Findings) -> Reason | None:
    """The workload had not enough time or memory."""
    ran, item = found.case.ran, found.checks["reported"]
    if item.status is not Status.FAIL or not (ran.timed_out or ran.out_of_memory):
        return None
    code = NO_REPORT.id
    return Reason(f"the workload was {ending(ran)}", code, FIX_TIME if ran.timed_out else FIX_MEMORY, item.detail)


def report_explained(found: Findings) -> Reason | None:
    """The workload did not report or end well, and said why in words that are known."""
    return found.explained("{report}") if found.failed("reported") else None


def host_without_gpu(found: Findings) -> Reason | None:
    """The host has no GPU that could have been used."""
    expectation, item = found.case.expectation, found.checks["host"]
    if expectation.host_has_gpu or item.status is not Status.FAIL:
        return None
    text = f"{item.detail}{found.words()['on_cpu']}"
    return Reason(text, NO_GPU.id, FIX_HOST, found.checks["visible"].detail)


def hidden(found: Findings) -> Reason | None:
    """A variable hides the GPUs from the framework."""
    expectation, item = found.case.expectation, found.checks["visible"]
    name = next(hiding(expectation, found.case.evidence), "") if item.status is Status.FAIL else ""
    if not name:
        return None
    code = found.known.code if found.known else NOT_VISIBLE.id
    text = f"{name}{found.words()['on_cpu']}"
    return Reason(text, code, FIX_HIDDEN if expectation.here else FIX_HIDDEN_IMAGE, item.detail)


def failure_explained(found: Findings) -> Reason | None:
    """The GPU is not usable or a training failed, and a message says why.

    A message explains what failed, not where a training ran that came to its end.
    """
    failed = any(record.error for record in found.case.evidence.trainings)
    if not failed and not found.failed("visible"):
        return None
    # What follows from other faults does not outweigh that no device has arrived: no node, and the driver counts none.
    evidence = found.case.evidence
    arrived = nodes_inside(found.case.expectation, evidence) or evidence.driver
    if found.known and found.known.general and not arrived:
        return None
    return found.explained("the GPU was not used{on_cpu}" if found.unused else "the training on the GPU failed")


def unexplained(found: Findings) -> Reason:
    """A check did not pass that a proof rests on, and it has no words for that."""
    detail = "; ".join(f"{one.name}: {one.detail}" for one in found.checks.values() if one.status is not Status.PASS)
    return Reason("a required check did not pass", ELSEWHERE.id, READ_LOG, detail)


CAUSES: Final[tuple[Cause, ...]] = (
    # It did not start.
    without_python,
    start_explained,
    check("started"),
    # It did not report.
    not_imported,
    cut_short,
    report_explained,
    check("reported"),
    # It reported, and it was not on the device, or not well.
    host_without_gpu,
    check("build"),
    hidden,
    failure_explained,
)
