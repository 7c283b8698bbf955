"""What is wrong with a host, and what a code means."""

from provision.catalogue import Catalogue
from provision.model import Finding, Host, Severity

_ORDER = (Severity.ERROR, Severity.WARNING, Severity.INFO)


def examine(host: Host) -> tuple[Finding, ...]:
    """Return the host's findings, the gravest first, with those about its engine."""
    found = [*host.findings]
    if host.engine is None:
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
    """Return what a code of the error catalogue means, or nothing when it has no such code."""
    row = next((row for row in catalogue.errors if row.id == code.upper()), None)
    if row is None:
        return ""
    return (
        f"{row.id}\n  seen      {row.match}\n  cause     {row.cause}\n  mend      {row.fix}\n  source    {row.source}"
    )
