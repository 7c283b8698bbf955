"""The known messages in a log."""

from collections.abc import Iterable

from provision.model import GPU_VENDORS, Host, vendor_of
from provision.model.examination import Message
from provision.prove.diagnose import Pattern, diagnose


def messages(text: str, host: Host, patterns: Iterable[Pattern]) -> tuple[Message, ...]:
    """Return what is recognised in a log, one message for each vendor of the host, or of any where it has none."""
    rows = tuple(patterns)
    vendors = [vendor_of(row.maker) for row in GPU_VENDORS.values() if host.gpus_of(row.maker)] or [*GPU_VENDORS]
    found = [diagnosis for vendor in vendors if (diagnosis := diagnose(text, vendor, rows))]
    told = {
        one.pattern.id: Message(code=one.pattern.id, line=one.line, cause=one.pattern.cause, fix=one.pattern.fix)
        for one in found
    }
    return tuple(told.values())
