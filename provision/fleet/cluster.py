"""The nodes of a Kubernetes cluster, as `kubectl get nodes -o json` prints them."""

from pathlib import Path
from typing import Final, Literal

import msgspec

from provision.errors import InputError
from provision.files import MIB, read_file
from provision.model import decode
from provision.probe import NodeTold

_LIMIT: Final = 512 * MIB  # a node has 10 to 100 KiB, most of it the list of its images
_FIX: Final = "make one with kubectl get nodes -o json > nodes.json"


class _Metadata(msgspec.Struct, frozen=True):
    name: str
    labels: dict[str, str] = {}


class _Condition(msgspec.Struct, frozen=True):
    type: str
    status: str
    reason: str = ""
    message: str = ""


class _NodeInfo(msgspec.Struct, frozen=True, rename="camel"):
    architecture: str = ""
    kernel_version: str = ""


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    capacity: dict[str, str] = {}
    conditions: tuple[_Condition, ...] = ()
    node_info: _NodeInfo = _NodeInfo()


class ClusterNode(msgspec.Struct, frozen=True):
    """A Node of the Kubernetes API (core/v1), as far as it is read."""

    metadata: _Metadata
    status: _Status = _Status()
    kind: Literal["Node"] = "Node"  # the items of the API's own NodeList have none

    @property
    def told(self) -> NodeTold:
        """What the node tells of itself."""
        info = self.status.node_info
        return NodeTold(
            labels=self.metadata.labels,
            capacity=self.status.capacity,
            machine=info.architecture,
            kernel=info.kernel_version,
        )

    @property
    def silent(self) -> str:
        """Why its labels may be of the past: its kubelet does not say that the node is ready; empty: it does."""
        ready = next((one for one in self.status.conditions if one.type == "Ready"), None)
        if ready is None:
            return "it has no condition Ready"
        return "" if ready.status == "True" else f"it is not Ready: {ready.reason or ready.message or ready.status}"


class _Nodes(msgspec.Struct, frozen=True):
    items: tuple[ClusterNode, ...]
    kind: Literal["List", "NodeList"]


def read_nodes(path: Path) -> tuple[ClusterNode, ...]:
    """Return the nodes of a file, in its order.

    Args:
        path: a List of Nodes, or one Node, in JSON.

    Raises:
        InputError: KGE-966, unreadable, or something else.
    """
    try:
        text = read_file(path, _LIMIT)
    except OSError as error:
        raise InputError("KGE-966", f"{path} cannot be read.", cause=error.strerror or "", fix=_FIX) from error
    try:
        kind = decode(text, _Kind).kind
        return (decode(text, ClusterNode),) if kind == "Node" else decode(text, _Nodes).items
    except msgspec.MsgspecError as error:
        what = f"{path} is neither a folder of nodes nor a list of Kubernetes nodes."
        raise InputError("KGE-966", what, cause=str(error), fix=_FIX) from error


class _Kind(msgspec.Struct, frozen=True):
    kind: str = ""
