"""AMD's own list of GPUs inside: which node of KFD's topology is which device of the framework."""

from collections.abc import Callable

from provision.probe.amd_parsers import device_uuid, gfx_name
from provision.prove.evidence import Evidence

Node = dict[str, int]
# ROCr reads the first, HIP of what is left the second, and the third where the second is not set.
# Source: ROCm documentation, "GPU isolation techniques".
ROCR, HIP, HIP_TOO = "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"
OTHER = "GPU_DEVICE_ORDINAL"  # numbers again, of a list that is not told here


def node_of(evidence: Evidence, number: int) -> Node | None:
    """Return the node of the framework's device `number`; None where it is not told, or not for certain."""
    nodes = _in_hip_order(evidence)
    return nodes[number] if nodes and number < len(nodes) == len(evidence.driver) else None


def render_path(node: Node) -> str | None:
    """Return the path of a node's own device."""
    minor = node.get("drm_render_minor", 0)
    return f"/dev/dri/renderD{minor}" if minor else None


def architecture(node: Node) -> str | None:
    """Return a node's architecture: gfx942."""
    return gfx_name(node.get("gfx_target_version", 0))


def _in_hip_order(evidence: Evidence) -> tuple[Node, ...] | None:
    variables = evidence.environment.variables
    if OTHER in variables:
        return None
    opened = {node.path for node in evidence.environment.nodes if node.error is None}
    nodes = sorted(evidence.environment.kfd, key=lambda node: node.get("node", 0))
    shown: tuple[Node, ...] | None = tuple(node for node in nodes if render_path(node) in {None, *opened})
    for name, kinds in ((ROCR, (_by_number, _by_uuid)), (HIP if HIP in variables else HIP_TOO, (_by_number,))):
        if name in variables and shown is not None:
            shown = _shown(shown, variables[name], kinds)
    return shown


def _shown(
    nodes: tuple[Node, ...], value: str, kinds: tuple[Callable[[tuple[Node, ...], str], Node | None], ...]
) -> tuple[Node, ...] | None:
    """Return the nodes that a variable leaves, in its order; None for a value that is not understood here."""
    found = [next(filter(None, (kind(nodes, word.strip()) for kind in kinds)), None) for word in value.split(",")]
    return None if None in found else tuple(node for node in found if node is not None)


def _by_number(nodes: tuple[Node, ...], word: str) -> Node | None:
    return nodes[int(word)] if word.isascii() and word.isdecimal() and int(word) < len(nodes) else None


def _by_uuid(nodes: tuple[Node, ...], word: str) -> Node | None:
    same = [node for node in nodes if (device_uuid(node) or "").lower() == word.lower()]
    return same[0] if len(same) == 1 else None
