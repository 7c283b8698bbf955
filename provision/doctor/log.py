"""The known messages in a log."""

from collections.abc import Iterable

from provision.catalogue.rows import KnownError
from provision.model import GPU_VENDORS, Host, vendor_of
from provision.model.examination import Message
from provision.prove.diagnose import diagnose


def messages(text: str, host: Host, patterns: Iterable[KnownError]) -> tuple[Message, ...]:
    """Return what is recognised in a log, one message for each vendor of the host, or of any where it has none."""
    rows = tuple(patterns)
    vendors = [vendor_of(row.maker) for row in GPU_VENDORS.values() if host.gpus_of(row.maker)] or [*GPU_VENDORS]
    found = [reason for vendor in vendors if (reason := diagnose(text, vendor, rows))]
    told = {one.code: Message(code=one.code, line=one.seen, cause=one.text, fix=one.fix) for one in found}
    return tuple(told.values())
