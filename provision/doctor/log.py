"""The known messages in a log."""

from collections.abc import Iterable

from provision.catalogue.messages import KnownError
from provision.doctor.messages import of_host
from provision.model import Host
from provision.model.examination import Message


def messages(text: str, host: Host, rows: Iterable[KnownError]) -> tuple[Message, ...]:
    """Return what is recognised in a log: the cause first, then the other faults, then harmless lines.

    Args:
        text: a log of whichever program.
        host: with all findings, on which the cause of a message may depend.
        rows: of the catalogue.
    """
    return tuple(
        Message(
            code=one.code,
            line=one.line,
            cause=one.text,
            fix=one.fix,
            severity=one.row.severity,
            speaker=one.row.speaker,
            findings=one.findings,
        )
        for one in of_host(text, rows, host)
    )
