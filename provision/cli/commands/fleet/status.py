"""`kgpu-env fleet status`."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated

import typer

from provision.api.records import trusted_keys
from provision.cli import options as o
from provision.cli.commands.fleet.arguments import Hosts, Keys, print_answer
from provision.cli.commands.fleet.names import count_of, names_of
from provision.cli.output import check_writable, write_files
from provision.cli.planning import project_catalogue
from provision.cli.proving import records as own_records
from provision.errors import Exit
from provision.fleet.hosts import read_fleet
from provision.fleet.inventory import nodes_of
from provision.fleet.plan import read_plan
from provision.fleet.status import MAX_AGE, Watch, status_of
from provision.model.fleet_status import Common, FleetStatus, NodeState

_SHOWN = 20  # nodes of each state; --json has all

Plan = Annotated[Path | None, typer.Option(metavar="PLAN", help="The approved plan: who drifts from it is told.")]
Inventory = Annotated[
    Path | None,
    typer.Option(
        "-i", "--inventory", metavar="INVENTORY", help="Of Ansible: its nodes that HOSTS does not have are UNKNOWN."
    ),
]
Records = Annotated[Path | None, typer.Option(metavar="DIR", help="The nodes' signed records, gathered in one folder.")]
MaxAge = Annotated[int, typer.Option(metavar="DAYS", min=1, help="An older proof is a warning.")]
Html = Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write the status as one page.")]
Prometheus = Annotated[Path | None, typer.Option(metavar="FILE.prom", help="Write it as metrics of Prometheus.")]


def status(
    hosts: Hosts,
    inventory: Inventory = None,
    plan: Plan = None,
    records: Records = None,
    trusted_key: Keys = None,
    max_age: MaxAge = MAX_AGE.days,
    html: Html = None,
    prometheus: Prometheus = None,
    force: o.Force = False,
    catalogue: o.Catalogue = None,
    as_json: o.Json = False,
) -> None:
    """Tell the state of each node: HEALTHY, WARNING, DRAIN, UNKNOWN.

    Exit code 3: some node is DRAIN.

    Examples:
        kgpu-env fleet status hosts/
        kgpu-env fleet status hosts/ -i inventory.yaml --plan plan.json --records records --html fleet.html
    """
    from provision.fleet.metrics import metrics  # noqa: PLC0415 - 2 ms, beside the page's
    from provision.fleet.page import page  # noqa: PLC0415 - 30 ms
    from provision.fleet.proofs import read_proofs  # noqa: PLC0415 - 40 ms: cryptography

    check_writable(html, prometheus, force=force)
    keys = trusted_keys(own_records(None, trusted_key or ())) if records else ()
    facts = project_catalogue(catalogue)
    watch = Watch(
        catalogue=facts,
        now=datetime.now(timezone.utc),
        plan=read_plan(plan) if plan else None,
        proofs=read_proofs(records, keys) if records else None,
        max_age=timedelta(days=max_age),
        listed=nodes_of(inventory) if inventory else (),
    )
    found = status_of(read_fleet(hosts, facts), watch)
    files = {html: page, prometheus: metrics}
    write_files({path: make(found).encode() for path, make in files.items() if path}, force=force)
    print_answer(found, _lines(found), as_json=as_json)
    if found.counts[NodeState.DRAIN]:
        raise typer.Exit(int(Exit.INPUT))


def _lines(found: FleetStatus) -> Iterator[str]:
    counts = ", ".join(f"{count} {state}" for state, count in found.counts.items())
    yield f"Fleet     {count_of(len(found.nodes), 'node')}: {counts}"
    for state in NodeState:
        some = [node for node in found.nodes if node.state is state and state is not NodeState.HEALTHY]
        for node in some[:_SHOWN]:
            yield f"{state.value:<9} {node.name}: {node.code + ' ' if node.code else ''}{node.why[0]}"
            yield from (f"          also: {text}" for text in node.why[1:])
            if node.fix:
                yield f"          fix: {node.fix.partition(' Check: ')[0]}"
        if len(some) > _SHOWN:
            yield f"{state.value:<9} and {len(some) - _SHOWN} more: --html or --json tell them all"
    yield from map(_common, found.common)


def _common(one: Common) -> str:
    others = "; ".join(f"{other.value} on {names_of(other.nodes)}" for other in one.outliers[:4])
    more = f"; and {len(one.outliers) - 4} other values" if len(one.outliers) > 4 else ""  # noqa: PLR2004 - as above
    return f"{one.key:<9} {one.value} on {count_of(one.nodes, 'node')}{f'; {others}{more}' if others else ''}"
