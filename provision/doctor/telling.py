"""An examination in words: the cause first, then the ladder, then what else was found."""

from collections.abc import Iterable, Iterator

from provision.doctor.commands import RECHECK
from provision.model import Finding, Severity
from provision.model.examination import Examination


def told(wrong: Iterable[Finding], found: Examination) -> list[str]:
    """Return the lines of the answer; `wrong` is what else is wrong, with the program's settings."""
    settings = [line for finding in wrong for line in _finding(finding)]
    first = found.primary
    lines = [*settings, *(_primary(found, first) if first else ())]
    if not lines and not any(finding.severity is Severity.ERROR for finding in found.findings):
        lines = ["Nothing is wrong with this host."]
    lines += ["", *(f"{step.rung:<9} {step.state:<9} {step.detail}".rstrip() for step in found.steps)]
    others = [finding for finding in found.findings if finding is not first]
    lines += [*([""] if others else ()), *(line for finding in others for line in _finding(finding))]
    harmless = [message for message in found.messages if message.severity == "harmless"]
    return [*lines, *([""] if harmless else ()), *(f"harmless  {one.line} ({one.cause})" for one in harmless)]


def _primary(found: Examination, first: Finding) -> Iterator[str]:
    yield f"PRIMARY   {first.code} {first.severity}: {first.text}"
    yield f"          fix: {first.fix.partition(' Check: ')[0]}"
    yield from (f"          run: {command}" for command in found.commands)
    again = f"{found.check}; then: {RECHECK}" if found.check else RECHECK
    yield f"          check: {again}"


def _finding(finding: Finding) -> Iterator[str]:
    yield f"{finding.code}   {finding.severity}: {finding.text}"
    if finding.fix:
        yield f"          fix: {finding.fix}"
