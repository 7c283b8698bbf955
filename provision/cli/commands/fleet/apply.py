"""`kgpu-env fleet apply`."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from provision.cli import options as o
from provision.cli.commands.fleet.arguments import Forks, Inventory, Keys, Limit, Plan
from provision.cli.commands.fleet.names import count_of
from provision.cli.output import log, print_json, print_lines, warn
from provision.cli.parsers import batch, one_of, percent
from provision.cli.planning import project_catalogue
from provision.cli.proving import records as own_records
from provision.errors import Exit
from provision.fleet.plan import read_plan
from provision.model.fleet_apply import ANSWERED, GOOD, SHARE, Applied, AppliedNode, ApplyWishes, FleetApply
from provision.model.fleet_probe import FORKS

_DRAINS = ("slurm", "kubernetes")
_AGAIN = "mend these nodes, or leave them out with --limit; then the same again, which keeps the nodes that are proved"

Records = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Gather the nodes' signed records there; by default records, beside PLAN."),
]
Serial = Annotated[
    str,
    typer.Option(
        parser=batch,
        metavar="N|N%",
        help="So many nodes in a batch, or a share of them. 0: all in one, with --stop-share a tenth.",
    ),
]
StopShare = Annotated[
    float | None,
    typer.Option(
        parser=percent,
        metavar="PERCENT",
        help="Begin no further batch where more of one's nodes were not proved; 10 where there are batches.",
    ),
]
Check = Annotated[bool, typer.Option("--check", help="Change nothing: tell what would be done.")]
Drain = Annotated[
    str | None,
    typer.Option(
        parser=one_of("scheduler", _DRAINS),
        metavar="|".join(_DRAINS),
        help="Take nodes that were not proved out there, and let those in that are again; by default nobody is told.",
    ),
]
DrainShare = Annotated[
    float, typer.Option(parser=percent, metavar="PERCENT", help="Never take out more of the plan's nodes.")
]


def apply(
    plan: Plan,
    inventory: Inventory,
    records: Records = None,
    limit: Limit = "",
    forks: Forks = FORKS,
    serial: Serial = "0",
    stop_share: StopShare = None,
    check: Check = False,
    trusted_key: Keys = None,
    key: o.Key = None,
    drain: Drain = None,
    drain_share: DrainShare = SHARE,
    catalogue: o.Catalogue = None,
    as_json: o.Json = False,
) -> None:
    """Bring each node of a plan its image, prove it there, and gather the proofs.

    A node whose record still holds is left as it is. Exit code 8: some node gave no answer; else 7: some node was not
    proved.

    Examples:
        kgpu-env fleet apply plan.json -i inventory.yaml --check
        kgpu-env fleet apply plan.json -i inventory.yaml --serial 20
        kgpu-env fleet apply plan.json -i inventory.yaml --stop-share 5
    """
    from provision.fleet.apply import Application, apply_plan  # noqa: PLC0415 - 80 ms
    from provision.records.keys import read_public  # noqa: PLC0415 - 40 ms: cryptography

    wishes = ApplyWishes(
        limit=limit,
        forks=forks,
        serial=serial,
        stop_share=stop_share,
        check=check,
        drain=drain or "",  # type: ignore[arg-type] # the parser's
        drain_share=drain_share,
    )
    order = Application(
        plan=read_plan(plan),
        place=plan,
        inventory=inventory,
        records=records or plan.parent / "records",
        signer=own_records(key),
        trusted=tuple(read_public(one) for one in trusted_key or ()),
        catalogue=project_catalogue(catalogue),
    )
    found = apply_plan(order, lambda one: log(_line(one)), wishes)
    if as_json:
        print_json(found)
    else:
        print_lines(_lines(found))
    for warning in found.warnings:
        warn(f"warning   {warning}")
    outcomes = {one.outcome for one in found.nodes}
    if outcomes - ANSWERED:
        raise typer.Exit(int(Exit.FLEET))
    if outcomes - GOOD:
        raise typer.Exit(int(Exit.NOT_PROVED))


def _line(one: AppliedNode) -> str:
    code = f" {one.code}" if one.code else ""
    return f"{one.name}: {one.outcome}{code}{f', {one.cause}' if one.cause else ''}"


def _lines(found: FleetApply) -> Iterator[str]:
    counts = Counter(one.outcome for one in found.nodes)
    told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Applied if counts[outcome])
    yield f"Fleet     {count_of(len(found.nodes), 'node')}: {told}; records in {found.records}"
    for one in found.nodes:
        if one.outcome not in GOOD and one.fix:
            yield f"          {one.name}, fix: {one.fix.partition(' Check: ')[0]}"
    if found.stopped:
        yield f"Stopped   {found.stopped}"
        yield f"          fix: {_AGAIN}"
    for name, some in (("Drained", found.drained), ("Released", found.released)):
        if some:
            yield f"{name:<9} {', '.join(some)}"
