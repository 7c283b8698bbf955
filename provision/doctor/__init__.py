"""What is wrong with a host, and what a code means."""

from provision.catalogue import Catalogue
from provision.catalogue.sources import cited
from provision.doctor.codes import MEANINGS
from provision.doctor.examination import examination, is_broken
from provision.doctor.pages import PAGES
from provision.model import Finding, Host, Severity
from provision.model.ladder import LADDER

__all__ = ["examination", "examine", "explain", "is_broken"]

_ORDER = (Severity.ERROR, Severity.WARNING, Severity.INFO)


def examine(host: Host, *, captured: bool = False) -> tuple[Finding, ...]:
    """Return the host's findings, the gravest first, with those about its engine.

    Args:
        host: as probed.
        captured: it was read from a file or a tree, which do not tell whether an engine answers there.
    """
    found = [*host.findings]
    if host.engine is None and captured:
        pass
    elif host.engine is None:
        found.append(
            Finding(
                code="KGE-301",
                severity=Severity.ERROR,
                text="no container engine answers",
                fix="install one (Debian and Ubuntu: sudo apt-get install docker.io) and start it, or set DOCKER_HOST",
            )
        )
    elif not host.engine.buildkit:
        found.append(
            Finding(
                code="KGE-303",
                severity=Severity.ERROR,
                text=f"{host.engine.name} {host.engine.version} has no BuildKit: images cannot be built with it",
                fix="build on a host with Docker, and verify here",
            )
        )
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
    page, place = PAGES.get(code), LADDER.get(code)
    parts = {"seen": page.seen, "fix": page.fix, "source": page.source} if page else {}
    if place:
        parts["rung"] = place.rung
    return "\n".join([code, f"  {meaning}", *(f"  {name:<9} {text}" for name, text in parts.items())])


def _of_a_proof(code: str) -> str:
    # Measured: the judge's room takes 0.2 s, as long as all else of a doctor that never asks for it.
    from provision.prove.checks.table import meanings  # noqa: PLC0415

    return meanings().get(code, "")
