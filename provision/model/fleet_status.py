"""How a fleet is: the state of each node, its proof and drift, and what most nodes have in common."""

from typing import Literal

import msgspec

from provision.compat import StrEnum
from provision.model.base import Value


class NodeState(StrEnum):
    """The four states, the gravest first."""

    DRAIN = "DRAIN"  # no job should start there: an error, or the proof failed or no longer holds
    UNKNOWN = "UNKNOWN"  # nothing is known of it now: neither healthy nor ill
    WARNING = "WARNING"
    HEALTHY = "HEALTHY"


class NodeStatus(Value):
    """A node."""

    name: str
    state: NodeState
    why: tuple[str, ...] = ()  # what makes the state, the gravest first
    code: str = ""  # of the first of them
    fix: str = ""
    gpus: str = ""  # "8x NVIDIA H100 80GB HBM3"
    driver: str = ""  # "nvidia 580.95.05"
    kernel: str = ""
    toolkit: str = ""  # "nvidia-container-toolkit 1.18.0"
    image: str = ""  # that was proved
    planned: str = ""  # the id of the plan's image
    proof: Literal["", "proved", "stale", "never", "refused", "failed"] = ""  # empty: no records were asked for
    proved_at: str = ""  # ISO 8601, UTC; of a proof that was signed by a trusted key
    age_hours: int | None = None  # of that proof


class Outlier(Value):
    """A value that few nodes have."""

    value: str
    nodes: tuple[str, ...]


class Common(Value):
    """What most nodes have of one key."""

    key: Literal["driver", "kernel", "toolkit", "image"]
    value: str  # of the most nodes
    nodes: int  # that have it
    outliers: tuple[Outlier, ...] = ()  # the other values, those of the most nodes first


class FleetStatus(Value):
    """What `fleet status` prints."""

    schema: Literal["kgpu-env/fleet-status/1"] = "kgpu-env/fleet-status/1"
    at: str = ""  # ISO 8601, UTC
    counts: dict[str, int] = msgspec.field(default_factory=dict)  # of the nodes in each state
    nodes: tuple[NodeStatus, ...] = ()  # the gravest state first, then by name
    common: tuple[Common, ...] = ()
    warnings: tuple[str, ...] = ()
