"""What became of a plan on each node."""

from typing import Final, Literal

from provision.compat import StrEnum
from provision.model.base import Value

SHARE: Final = 10  # per cent


class Applied(StrEnum):
    """How a node is after `fleet apply`."""

    PROVED = "proved"
    KEPT = "proved before"  # its record still holds: nothing was done
    CPU = "cpu"  # the plan has a CPU stack for it, and that trained: no GPU was proved
    DUE = "due"  # with --check: it would be proved
    NOT_PROVED = "not proved"
    UNSERVED = "unserved"  # the plan has no image for it
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed out"
    BUSY = "busy"  # another verification has its GPUs
    BROKEN = "broken"  # a step failed before there was a verdict
    UNKNOWN = "unknown"  # the run ended before its last step did
    SKIPPED = "skipped"  # its turn did not come


GOOD: Final = frozenset({Applied.PROVED, Applied.KEPT, Applied.CPU})
ANSWERED: Final = GOOD | {Applied.DUE, Applied.NOT_PROVED, Applied.UNSERVED}


class AppliedNode(Value):
    """A node."""

    name: str
    image: str  # the id of its image in the plan; empty: none
    outcome: Applied
    cause: str = ""
    code: str = ""
    fix: str = ""
    shipped: bool = False  # the image was brought to it now


class ApplyWishes(Value):
    """Which nodes, in what order, and when it stops."""

    limit: str = ""  # a pattern of Ansible; empty: all nodes of the plan
    forks: int = 50  # so many nodes at a time
    serial: str = "0"  # nodes in a batch, or per cent of all: "20", "10%"; "0": all in one, with a stop share 10 %
    stop_share: float | None = None  # per cent of a batch that may fail before the next one does not begin; None: 10
    check: bool = False  # nothing is changed
    drain: Literal["", "slurm", "kubernetes"] = ""  # who is told of nodes that are not proved; empty: nobody
    drain_share: float = SHARE  # per cent of the plan's nodes that may be out at once

    def batch_size(self, nodes: int) -> int:
        """Return how many of so many nodes are in a batch, at least one; of a share as Ansible counts it.

        A stop share needs more than one batch: asked for by itself it makes batches of a tenth.
        Source: https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_strategies.html (checked 2026-11-30).
        """
        serial = f"{SHARE}%" if self.serial == "0" and self.stop_share is not None else self.serial
        number = nodes * int(serial[:-1]) // 100 if serial.endswith("%") else int(serial) or nodes
        return max(1, number)


class FleetApply(Value):
    """What `fleet apply` prints."""

    schema: Literal["kgpu-env/fleet-apply/1"] = "kgpu-env/fleet-apply/1"
    plan: str
    records: str  # the folder of the nodes' signed records
    nodes: tuple[AppliedNode, ...] = ()  # by name
    stopped: str = ""  # why further batches did not begin
    drained: tuple[str, ...] = ()  # nodes that were taken out now
    released: tuple[str, ...] = ()  # nodes that this program had taken out, and that are proved again
    warnings: tuple[str, ...] = ()
