"""What became of the probe of each node of a fleet."""

from typing import Final, Literal

from provision.compat import StrEnum
from provision.model.base import Value

FORKS: Final = 50


class Outcome(StrEnum):
    """How a node answered; of all but the first nothing is known of it."""

    OK = "ok"
    KEPT = "kept"  # a capture was there already, and nobody asked again
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed out"
    BROKEN = "broken"  # it answered, and not with a capture
    SKIPPED = "skipped"  # the run ended before its turn


class NodeAnswer(Value):
    """A node's answer."""

    name: str
    outcome: Outcome
    cause: str = ""


class ProbeWishes(Value):
    """Which nodes are probed, and how."""

    limit: str = ""  # a pattern of Ansible; empty: all nodes
    forks: int = FORKS  # so many nodes at a time
    resume: bool = False  # leave nodes with a capture as they are


class FleetProbe(Value):
    """What `fleet probe` prints."""

    schema: Literal["kgpu-env/fleet-probe/1"] = "kgpu-env/fleet-probe/1"
    hosts: str  # the folder of the captures
    nodes: tuple[NodeAnswer, ...] = ()  # by name
