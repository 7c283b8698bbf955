"""The primary cause of each node, told once for all the nodes that share it."""

from typing import Final

from provision.api.doctor import examine_host
from provision.catalogue import Catalogue
from provision.fleet.hosts import PROBE, UNSEEN, UNTOLD, Fleet
from provision.model import Severity
from provision.model.examination import Examination
from provision.model.fleet import Complaint, FleetExamination, Unserved

_ORDER: Final = tuple(Severity)


def examine_fleet(fleet: Fleet, catalogue: Catalogue) -> FleetExamination:
    """Return what is wrong with nodes, those with the same cause and the same commands together.

    A node whose labels alone are known is not healthy for want of a cause: no probe has looked for one.

    Args:
        fleet: its nodes.
        catalogue: explains messages.
    """
    groups: dict[tuple[str, tuple[str, ...]], list[tuple[str, Examination]]] = {}
    healthy: list[str] = []
    for name in sorted(fleet.hosts):
        found = examine_host(fleet.hosts[name], captured=True, catalogue=catalogue)
        if found.primary:
            groups.setdefault((found.primary.code, found.commands), []).append((name, found))
        else:
            healthy.append(name)
    complaints = [made for some in groups.values() if (made := _complaint(some))]
    complaints.sort(key=lambda one: (_ORDER.index(one.severity), -len(one.nodes), one.code))
    unseen = [Unserved(name=name, rule=UNTOLD, cause=UNSEEN, fix=PROBE) for name in healthy if fleet.by_labels]
    return FleetExamination(
        complaints=tuple(complaints),
        healthy=() if unseen else tuple(healthy),
        broken=(*fleet.broken, *unseen),
        warnings=fleet.warnings,
    )


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
