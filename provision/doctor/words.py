"""The cause of what a log says, judged with what is known of the host."""

from collections.abc import Iterable, Iterator

from provision.model import Finding, Severity
from provision.model.examination import Message


def cause_of(messages: Iterable[Message], findings: Iterable[Finding]) -> Finding | None:
    """Return the host's finding that is the cause of a log's first fault, also where it was a mere note before."""
    by_code = {finding.code: finding for finding in reversed([*findings])}
    first = next(faults(messages), None)
    return next((by_code[code] for code in (first.findings if first else ()) if code in by_code), None)


def faults(messages: Iterable[Message]) -> Iterator[Message]:
    """Yield the messages that are not harmless."""
    return (message for message in messages if message.severity != "harmless")


def as_finding(message: Message) -> Finding:
    """Return a recognised message as a finding."""
    text = f"{message.cause} (the log says: {message.line})"
    return Finding(code=message.code, severity=Severity.ERROR, text=text, fix=message.fix)
