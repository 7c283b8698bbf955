"""`kgpu-env fleet doctor`."""

from collections.abc import Iterator
from typing import Annotated

import typer

from provision.cli import options as o
from provision.cli.commands.fleet.arguments import Hosts, print_answer
from provision.cli.commands.fleet.names import count_of, names_of
from provision.cli.planning import project_catalogue
from provision.errors import Exit
from provision.fleet.examination import examine_fleet
from provision.fleet.hosts import read_fleet
from provision.model import Severity
from provision.model.fleet import FleetExamination

Strict = Annotated[bool, typer.Option("--strict", help="Count warnings as errors.")]


def doctor(hosts: Hosts, strict: Strict = False, catalogue: o.Catalogue = None, as_json: o.Json = False) -> None:
    """Tell the primary cause of each node, nodes with the same cause together.

    Exit code 3: some node has an error, with --strict a warning, or cannot be read.

    Examples:
        kgpu-env fleet doctor hosts/
    """
    facts = project_catalogue(catalogue)
    fleet = read_fleet(hosts, facts)
    found = examine_fleet(fleet, facts)
    print_answer(found, _lines(found), as_json=as_json)
    grave = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    if found.broken or any(one.severity in grave for one in found.complaints):
        raise typer.Exit(int(Exit.INPUT))


def _lines(found: FleetExamination) -> Iterator[str]:
    ill = sum(len(one.nodes) for one in found.complaints)
    total = ill + len(found.healthy) + len(found.broken)
    counts = f"{len(found.healthy)} healthy, {ill} with a cause, {len(found.broken)} not known"
    yield f"Fleet     {count_of(total, 'node')}: {counts}"
    for one in found.complaints:
        yield f"{one.code}   {one.severity}, {names_of(one.nodes)}"
        yield f"          {one.text}"
        yield f"          fix: {one.fix.partition(' Check: ')[0]}"
        yield from (f"          run: {command}" for command in one.commands)
        if one.check:
            yield f"          check: {one.check}"
    for node in found.broken:
        yield f"{node.rule}   not known, {node.name}: {node.cause}"
        if node.fix:
            yield f"          fix: {node.fix}"
