"""What is wrong with a host, and what a code means."""

from provision.catalogue import Catalogue
from provision.catalogue.sources import cited
from provision.doctor.codes import MEANINGS
from provision.doctor.engine import Silence, engine_findings
from provision.doctor.examination import examination, is_broken
from provision.model import Finding, Host, Severity
from provision.model.ladder import LADDER

__all__ = ["Silence", "examination", "examine", "explain", "is_broken"]

_ORDER = (Severity.ERROR, Severity.WARNING, Severity.INFO)


def examine(host: Host, *, captured: bool = False, silence: Silence | None = None) -> tuple[Finding, ...]:
    """Return the host's findings, the gravest first, with those about its engine.

    Args:
        host: as probed.
        captured: it was read from a file or a tree, which do not tell whether an engine answers there.
        silence: why no engine answers here.
    """
    known = silence.error.code if silence else ""  # the probe's own note of it is left out
    found = [finding for finding in host.findings if finding.code != known]
    found += engine_findings(host, captured=captured, silence=silence)
    return tuple(sorted(found, key=lambda finding: _ORDER.index(finding.severity)))


def explain(code: str, catalogue: Catalogue) -> str:
    """Return what a code means, or nothing when there is no such code."""
    wanted = code.upper()
    row = next((row for row in catalogue.errors if row.id == wanted), None)
    if row:
        from provision.doctor.message_page import lines  # noqa: PLC0415 - no examination needs it

        legend = (f"  {'':<9} {one.line}" for one in cited(catalogue.sources, row.source))
        return "\n".join([*lines(row), *legend])
    return _own(wanted)


def _own(code: str) -> str:
    """Return what one of the program's own codes means, with how it looks and what fixes it where a page has that."""
    meaning = MEANINGS.get(code) or _of_a_proof(code)
    if not meaning:
        return ""
    from provision.doctor.pages import Page, pages  # noqa: PLC0415 - 30 ms: YAML, which no examination needs

    # A new check of the proof is a row and a function: its page may follow.
    page, place = pages().get(code, Page(seen=meaning, fix="kgpu-env doctor")), LADDER.get(code)
    parts = {"cause": meaning, "looks": page.seen, "fix": page.fix, "source": page.source}
    if place:
        parts["rung"] = place.rung
    return "\n".join([code, *(f"  {name:<9} {text}" for name, text in parts.items())])


def _of_a_proof(code: str) -> str:
    # Measured: the judge's room takes 0.2 s, as long as all else of a doctor that never asks for it.
    from provision.prove.checks.table import meanings  # noqa: PLC0415

    return meanings().get(code, "")
