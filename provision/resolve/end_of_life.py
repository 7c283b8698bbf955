"""What has ended, or ends soon, on a date that the caller gives: resolving itself knows no clock."""

from provision.catalogue import Catalogue
from provision.model import Host, Stack, StackWarning
from provision.resolve.vendors import KNOWLEDGE


def support_warnings(catalogue: Catalogue, host: Host, stack: Stack, today: str) -> tuple[StackWarning, ...]:
    """Return a warning for the base image and the driver branch whose support has ended.

    Args:
        catalogue: has the dates, as months.
        host: its driver counts, of the maker that the stack is for.
        stack: its base counts.
        today: the date as "2026-11-23".
    """
    found: list[StackWarning] = []
    base = next((row for row in catalogue.images.bases if row.image == stack.base.image), None)
    if base and ended(base.eol, today):
        text = f"{base.image} {_since(base.eol)}: no more security updates [{base.source}]"
        found.append(StackWarning(code="base-ended", text=text))
    driver = host.driver(stack.vendor.gpu or "")
    if driver and not host.wsl:
        branch = KNOWLEDGE[stack.vendor].branch_of(catalogue, driver)
        if branch and ended(branch.eol, today):
            text = f"driver branch R{branch.branch} {_since(branch.eol)}: no more security updates [{branch.source}]"
            found.append(StackWarning(code="driver-ended", text=text))
    return tuple(found)


def ended(eol: str | None, today: str) -> bool:
    """Tell whether a month such as "2026-06" lies before `today`; "past" always does, None never."""
    return eol is not None and (eol == "past" or eol < today[: len("2026-06")])


def _since(eol: str | None) -> str:
    return "has ended" if eol == "past" else f"ended in {eol}"
