"""Nodes that were not proved, told to the scheduler. Off by default, and never of more than a share of the fleet.

A node that gave no answer is neither healthy nor ill: it is left alone. Only what this program took out it lets in
again, and only by a proof of now.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from provision.model.fleet_apply import Applied, AppliedNode, ApplyWishes
from provision.model.labels import UNPROVED
from provision.probe import command

MARK: Final = "kgpu-env"  # how a reason of ours begins
_NO_REASON: Final = "none"  # as sinfo prints it
_SECONDS: Final = 20.0


class Remedied(NamedTuple):
    """What was told to the scheduler."""

    drained: tuple[str, ...] = ()
    released: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Scheduler(Protocol):
    """A scheduler's own program."""

    tool: str

    def out(self) -> Mapping[str, bool | None]:
        """Return of each node that it knows whether this program took it out; None: somebody else did.

        Raises:
            OSError: it does not say.
        """

    def drain(self, node: str, why: str) -> Sequence[str]:
        """Return the words that take a node out."""

    def release(self, node: str) -> Sequence[str]:
        """Return the words that let it in again."""


class Slurm:
    """Slurm: a node is drained, with our code as the reason. Source: https://slurm.schedmd.com/scontrol.html."""

    tool = "scontrol"

    def out(self) -> Mapping[str, bool | None]:
        """Return of each node whether its reason is ours; None: it is another's."""
        lines = _asked("sinfo", "--noheader", "--Node", "--format=%N %E").splitlines()
        return {
            name: True if reason.startswith(MARK) else False if reason == _NO_REASON else None
            for name, _, reason in (line.strip().partition(" ") for line in lines)
        }

    def drain(self, node: str, why: str) -> Sequence[str]:
        """Return the words that drain a node."""
        return "update", f"nodename={node}", "state=drain", f"reason={MARK} {why}"

    def release(self, node: str) -> Sequence[str]:
        """Return the words that resume it."""
        return "update", f"nodename={node}", "state=resume"


class Kubernetes:
    """Kubernetes: a taint under a key of ours. Source: https://kubernetes.io/docs/concepts/scheduling-eviction/."""

    tool = "kubectl"

    def out(self) -> Mapping[str, bool | None]:
        """Return of each node whether it has our taint; others' taints do not hinder it."""
        items = json.loads(_asked("kubectl", "get", "nodes", "-o", "json"))["items"]
        return {
            one["metadata"]["name"]: any(
                taint.get("key") == UNPROVED for taint in one.get("spec", {}).get("taints") or ()
            )
            for one in items
        }

    def drain(self, node: str, why: str) -> Sequence[str]:
        """Return the words that taint a node."""
        return "taint", "nodes", node, f"{UNPROVED}={why.partition(' ')[0]}:NoSchedule", "--overwrite"

    def release(self, node: str) -> Sequence[str]:
        """Return the words that take the taint away."""
        return "taint", "nodes", node, f"{UNPROVED}-"


SCHEDULERS: Final[Mapping[str, Callable[[], Scheduler]]] = {"slurm": Slurm, "kubernetes": Kubernetes}


def remedy(nodes: Sequence[AppliedNode], wishes: ApplyWishes, total: int) -> Remedied:
    """Take out the nodes that were not proved, and let in those that are again.

    Args:
        nodes: what became of each.
        wishes: whom to tell; by default nobody.
        total: the nodes of the fleet.
    """
    if not wishes.drain or wishes.check:
        return Remedied()
    scheduler = SCHEDULERS[wishes.drain]()
    try:
        out = scheduler.out()
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Remedied(warnings=(f"nothing was told to {wishes.drain}: {error}",))
    bad = {_name(one.name, out): one for one in nodes if one.outcome is Applied.NOT_PROVED}
    good = [_name(one.name, out) for one in nodes if one.outcome is Applied.PROVED]
    left = sum(map(bool, out.values())) - sum(bool(out.get(name)) for name in good)
    new = [name for name in bad if out.get(name) is False]
    warnings = [f"{wishes.drain} has no node {name}" for name in bad if name not in out]
    theirs = [name for name in bad if name in out and out[name] is None]
    warnings += [f"{name} was not proved, and is left to whoever gave its reason to {wishes.drain}" for name in theirs]
    if 100 * (left + len(new)) > wishes.drain_share * total and new:
        told = f"{len(new)} nodes were not proved and stay in: with {left} of {total} out already, more than "
        warnings.append(f"{told}{wishes.drain_share:g} % would be. Something else may be wrong than the nodes.")
        new = []
    drained = [name for name in new if _told(scheduler, scheduler.drain(name, _why(bad[name])), warnings)]
    released = [name for name in good if out.get(name) and _told(scheduler, scheduler.release(name), warnings)]
    return Remedied(tuple(drained), tuple(released), tuple(warnings))


def _name(node: str, known: Mapping[str, bool | None]) -> str:
    """Return a node as the scheduler calls it: by its name, or the name before the dot."""
    return node if node in known else node.partition(".")[0]


def _why(node: AppliedNode) -> str:
    return f"{node.code or 'KGE-586'} not proved"


def _told(scheduler: Scheduler, words: Sequence[str], warnings: list[str]) -> bool:
    try:
        _asked(scheduler.tool, *words)
    except OSError as error:
        warnings.append(str(error))
        return False
    return True


def _asked(tool: str, *words: str) -> str:
    path = command.find(tool)
    if path is None:
        raise OSError(f"{tool} is not installed here")
    found = command.run(path, *words, seconds=_SECONDS)
    if isinstance(found, command.Failed):
        raise OSError(f"{tool} {' '.join(words)}: {found.reason}")
    return found
