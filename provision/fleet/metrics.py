"""A fleet's status in the text format of Prometheus, for the textfile collector of node_exporter or any scraper.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Iterator
from datetime import datetime, timezone

from provision.model.fleet_status import FleetStatus

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\0": ""})


def metrics(status: FleetStatus) -> str:
    """Return the metrics; the names of nodes and images are labels."""
    return "\n".join(_lines(status)) + "\n"


def _lines(status: FleetStatus) -> Iterator[str]:
    yield from _head("kgpu_env_fleet_nodes", "Nodes of the fleet in each state.")
    for state, count in status.counts.items():
        yield _line("kgpu_env_fleet_nodes", count, state=state)
    yield from _head("kgpu_env_node_state", "1 for the state that the node is in.")
    for node in status.nodes:
        yield _line("kgpu_env_node_state", 1, node=node.name, state=node.state, code=node.code)
    yield from _head("kgpu_env_node_proof_timestamp_seconds", "When the node was proved.")
    for node in status.nodes:
        if node.proved_at:
            time = datetime.strptime(node.proved_at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
            yield _line(
                "kgpu_env_node_proof_timestamp_seconds", int(time.timestamp()), node=node.name, image=node.image
            )
    yield from _head("kgpu_env_status_timestamp_seconds", "When the status was made.")
    time = datetime.strptime(status.at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    yield _line("kgpu_env_status_timestamp_seconds", int(time.timestamp()))


def _head(name: str, words: str) -> Iterator[str]:
    yield f"# HELP {name} {words}"
    yield f"# TYPE {name} gauge"


def _line(name: str, value: int, **labels: str) -> str:
    told = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{told}}} {value}" if told else f"{name} {value}"


def _escaped(text: str) -> str:
    return text.encode("utf-8", "replace").decode().translate(_ESCAPES)
