"""The state of each node: its cause, its proof, its drift from the plan; and what most nodes have in common."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Final, Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from provision.api.doctor import examine_host
from provision.catalogue import Catalogue
from provision.fleet.hosts import PROBE, UNSEEN, UNTOLD, Fleet
from provision.fleet.images import id_of
from provision.fleet.proofs import Proofs, changed, is_proof
from provision.lock.make import catalogue_digest
from provision.model import UNSEEN_GPU, Host, Severity
from provision.model.fleet import FleetPlan, Unserved
from provision.model.fleet_status import Common, FleetStatus, NodeState, NodeStatus, Outlier
from provision.records import Record

MAX_AGE: Final = timedelta(days=30)
_CLOCKS: Final = timedelta(hours=1)  # by which clocks may differ
_KEYS: Final[tuple[Literal["driver", "kernel", "toolkit", "image"], ...]] = ("driver", "kernel", "toolkit", "image")
_ORDER: Final = tuple(NodeState)
_SEVERITIES: Final = {Severity.ERROR: NodeState.DRAIN, Severity.WARNING: NodeState.WARNING}
_ASK: Final = "`kgpu-env fleet probe -i INVENTORY -o HOSTS --resume` asks it again, and says why it gives no answer"
_APPLY: Final = "`kgpu-env fleet apply PLAN -i INVENTORY` brings it its image and proves it"
_TRUST: Final = "--trusted-key FILE, where you know who signed it (kgpu-env key, there)"


class Reason(NamedTuple):
    """One thing that makes a node's state."""

    state: NodeState
    text: str
    code: str = ""
    fix: str = ""


class Watch(Struct, frozen=True):
    """What nodes are held against.

    Attributes:
        catalogue: explains messages.
        now: in UTC.
        plan: which node gets which image; None: nothing in particular.
        proofs: the nodes' records; None: nobody asked for them.
        max_age: of a proof.
        listed: names of the inventory's nodes.
    """

    catalogue: Catalogue
    now: datetime
    plan: FleetPlan | None = None
    proofs: Proofs | None = None
    max_age: timedelta = MAX_AGE
    listed: tuple[str, ...] = ()

    @property
    def planned(self) -> Mapping[str, str]:
        """Node to the id of its image."""
        return {node.name: node.image for node in self.plan.nodes} if self.plan else {}

    @property
    def unserved(self) -> Mapping[str, Unserved]:
        """Nodes that the plan has no image for."""
        return {node.name: node for node in self.plan.unserved} if self.plan else {}


def status_of(fleet: Fleet, watch: Watch) -> FleetStatus:
    """Return how a fleet is; nodes of plan or inventory that no file tells of are UNKNOWN."""
    planned, unserved = watch.planned, watch.unserved
    nodes = [_node(name, host, watch, planned.get(name, ""), unserved.get(name)) for name, host in fleet.hosts.items()]
    if fleet.by_labels:
        nodes = [_unseen(node) for node in nodes]
    nodes += [
        NodeStatus(name=one.name, state=NodeState.UNKNOWN, why=(one.cause,), code=one.rule, fix=one.fix)
        for one in fleet.broken
    ]
    known = {node.name for node in nodes}
    for name in sorted({*planned, *unserved, *watch.listed} - known):
        who = "inventory" if name in watch.listed else "plan"
        why = f"the {who} has it, and no file tells of it: it did not answer, or was taken away"
        nodes.append(
            NodeStatus(name=name, state=NodeState.UNKNOWN, why=(why,), fix=_ASK, planned=planned.get(name, ""))
        )
    nodes.sort(key=lambda node: (_ORDER.index(node.state), node.name))
    return FleetStatus(
        at=_iso(watch.now),
        counts={state.value: sum(node.state is state for node in nodes) for state in NodeState},
        nodes=tuple(nodes),
        common=tuple(_common(nodes)),
        warnings=(*fleet.warnings, *(watch.proofs.warnings if watch.proofs else ()), *_of_plan(watch)),
    )


def _unseen(node: NodeStatus) -> NodeStatus:
    """Return a node whose labels alone are known: not healthy for want of a cause, unless it is proved."""
    if node.state is not NodeState.HEALTHY or node.proof == "proved":
        return node
    return replace(node, state=NodeState.UNKNOWN, why=(UNSEEN,), code=UNTOLD, fix=PROBE)


def _of_plan(watch: Watch) -> Iterator[str]:
    if watch.plan and watch.plan.catalogue not in {"", catalogue_digest(watch.catalogue)}:
        yield "the plan was made with another catalogue than this one: make it again with fleet plan"


def _node(name: str, host: Host, watch: Watch, planned: str, unserved: Unserved | None) -> NodeStatus:
    toolkits = ", ".join(f"{one.name} {one.version or ''}".strip() for one in host.toolkits)
    node = NodeStatus(
        name=name,
        state=NodeState.HEALTHY,
        gpus=_gpus(host),
        driver=", ".join(
            f"{one.vendor} {one.version or one.release or one.flavour or ''}".strip() for one in host.drivers
        ),
        kernel=host.kernel or "",
        toolkit=toolkits,
        planned=planned,
    )
    reasons = [*_ill(host, watch)]
    if watch.proofs:
        node, found = _proved(node, host, watch, watch.proofs)
        reasons += [] if unserved and node.proof == "never" else found  # it has no image to be proved with
    if watch.plan:
        reasons += _drift(node, unserved, {reason.text for reason in reasons})
    if not reasons:
        return node
    reasons.sort(key=lambda reason: _ORDER.index(reason.state))
    first = reasons[0]
    return replace(
        node, state=first.state, why=tuple(reason.text for reason in reasons), code=first.code, fix=first.fix
    )


def _gpus(host: Host) -> str:
    names: dict[str, int] = defaultdict(int)
    for gpu in host.gpus:
        names[gpu.name or gpu.architecture or f"GPU of {gpu.vendor}"] += 1
    return ", ".join(f"{count}x {name}" for name, count in names.items())


def _ill(host: Host, watch: Watch) -> Iterator[Reason]:
    primary = examine_host(host, captured=True, catalogue=watch.catalogue).primary
    if primary and primary.severity in _SEVERITIES:
        state = NodeState.UNKNOWN if primary.code == UNSEEN_GPU else _SEVERITIES[primary.severity]
        yield Reason(state, primary.text, primary.code, primary.fix)


def _proved(node: NodeStatus, host: Host, watch: Watch, proofs: Proofs) -> tuple[NodeStatus, list[Reason]]:
    """Return a node with its proof, and what is wrong with that."""
    record, refused = proofs.of(node.name)
    if record is None:
        again = _APPLY if node.planned else "kgpu-env verify IMAGE, on the node"
        why = f"its record is refused: {refused}" if refused else "it was never proved, or its record was not gathered"
        fix = f"{_TRUST}; otherwise {again}" if refused else again
        reason = Reason(NodeState.WARNING, why, "KGE-588" if refused else "KGE-586", fix)
        return replace(node, proof="refused" if refused else "never"), [reason]
    other = node.planned and id_of(record.image) != node.planned
    again = _APPLY if other else f"kgpu-env verify {record.image}, on the node"
    if not is_proof(record):
        text = f"the last verification ended {record.verdict.replace('-', ' ')}: {record.reason}"
        reason = Reason(NodeState.DRAIN, text, record.code or "KGE-586", again)
        return replace(node, proof="failed", image=record.image), [reason]
    age = watch.now - _time(record.at, watch.now)
    hours = int(age / timedelta(hours=1))
    differences = changed(record, host)
    node = replace(
        node,
        proof="stale" if differences else "proved",
        image=record.image,
        proved_at=_iso(watch.now - age),
        age_hours=hours,
    )
    return node, [Reason(state, text, "KGE-587", again) for state, text in _aged(record, age, watch, differences)]


def _aged(
    record: Record, age: timedelta, watch: Watch, differences: tuple[str, ...]
) -> Iterator[tuple[NodeState, str]]:
    """Yield why a proof no longer holds, or soon may not."""
    if differences:
        yield NodeState.DRAIN, f"proved on {record.at}, but since then {'; '.join(differences)}"
    elif age < -_CLOCKS:
        yield NodeState.WARNING, f"its proof is of {record.at}, which is still to come: a clock is wrong"
    elif age > watch.max_age:
        yield NodeState.WARNING, f"its proof is {age.days} days old, of {record.at}"


def _drift(node: NodeStatus, unserved: Unserved | None, told: Iterable[str]) -> Iterator[Reason]:
    if unserved:
        why = "" if any(text in unserved.cause for text in told) else f": {unserved.cause}"
        yield Reason(NodeState.WARNING, f"the plan has no image for it{why}", "", unserved.fix)
    elif not node.planned:
        yield Reason(NodeState.WARNING, "the plan does not know it", "", "make the plan again: kgpu-env fleet plan")
    elif node.image and id_of(node.image) != node.planned:
        text = f"the plan gives it {node.planned}, and {node.image} was proved"
        yield Reason(NodeState.WARNING, text, "", _APPLY)


def _common(nodes: Iterable[NodeStatus]) -> Iterator[Common]:
    """Yield of each key what most nodes have, and who has something else; of drivers for each maker."""
    for key in _KEYS:
        groups: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for node in nodes:
            if value := getattr(node, key):
                groups[value.partition(" ")[0] if key == "driver" else ""][value].append(node.name)
        for _, values in sorted(groups.items()):
            ranked = sorted(values.items(), key=lambda one: (-len(one[1]), one[0]))
            others = tuple(Outlier(value=value, nodes=tuple(sorted(names))) for value, names in ranked[1:])
            yield Common(key=key, value=ranked[0][0], nodes=len(ranked[0][1]), outliers=others)


def _time(text: str, default: datetime) -> datetime:
    """Return a record's time; one that is none makes the oldest proof."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return default - timedelta(days=36500)


def _iso(time: datetime) -> str:
    return time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
