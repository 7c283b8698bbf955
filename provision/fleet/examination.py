"""The primary cause of each node, told once for all the nodes that share it."""

from collections.abc import Mapping
from typing import Final

from provision.api.doctor import examine_host
from provision.catalogue import Catalogue
from provision.model import Host, Severity
from provision.model.examination import Examination
from provision.model.fleet import Complaint, FleetExamination

_ORDER: Final = tuple(Severity)


def examine_fleet(hosts: Mapping[str, Host], catalogue: Catalogue) -> FleetExamination:
    """Return what is wrong with nodes, those with the same cause and the same commands together.

    Args:
        hosts: by the name of the node.
        catalogue: explains messages.
    """
    groups: dict[tuple[str, tuple[str, ...]], list[tuple[str, Examination]]] = {}
    healthy: list[str] = []
    for name in sorted(hosts):
        found = examine_host(hosts[name], captured=True, catalogue=catalogue)
        if found.primary:
            groups.setdefault((found.primary.code, found.commands), []).append((name, found))
        else:
            healthy.append(name)
    complaints = [made for some in groups.values() if (made := _complaint(some))]
    complaints.sort(key=lambda one: (_ORDER.index(one.severity), -len(one.nodes), one.code))
    return FleetExamination(complaints=tuple(complaints), healthy=tuple(healthy))


def _complaint(some: list[tuple[str, Examination]]) -> Complaint | None:
    first = some[0][1]
    if first.primary is None:
        return None
    return Complaint(
        code=first.primary.code,
        severity=first.primary.severity,
        text=first.primary.text,
        fix=first.primary.fix,
        commands=first.commands,
        check=first.check,
        nodes=tuple(name for name, _ in some),
    )
