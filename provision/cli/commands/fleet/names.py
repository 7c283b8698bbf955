"""Names of nodes in a line."""

_SHOWN = 4


def names_of(nodes: tuple[str, ...]) -> str:
    """Return the number of nodes and the first of them: "14 nodes: node1, node2, node3, node4 and 10 more"."""
    more = f" and {len(nodes) - _SHOWN} more" if len(nodes) > _SHOWN else ""
    return f"{count_of(len(nodes), 'node')}: {', '.join(nodes[:_SHOWN])}{more}"


def count_of(number: int, noun: str) -> str:
    """Return "1 node" or "2 nodes"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
