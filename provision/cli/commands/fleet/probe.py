"""`kgpu-env fleet probe`."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from provision.cli import options as o
from provision.cli.commands.fleet.arguments import Forks, Inventory, Limit
from provision.cli.commands.fleet.names import count_of
from provision.cli.output import log, print_json, print_lines
from provision.errors import Exit
from provision.fleet.probing import probe_fleet
from provision.model.fleet_probe import FORKS, NodeAnswer, Outcome, ProbeWishes

Hosts = Annotated[Path, typer.Option("-o", "--output", metavar="HOSTS", help="The folder of the captures.")]
Resume = Annotated[bool, typer.Option("--resume", help="Leave nodes with a capture in HOSTS as they are.")]


def probe(
    inventory: Inventory,
    output: Hosts,
    limit: Limit = "",
    forks: Forks = FORKS,
    resume: Resume = False,
    as_json: o.Json = False,
) -> None:
    """Capture each node of an inventory over SSH, by Ansible, into a folder that fleet plan and doctor read.

    A node needs Python 3.6 or newer, and nothing of this program. Exit code 8: some node gave no capture.

    Examples:
        kgpu-env fleet probe -i inventory.yaml -o hosts/
    """
    wishes = ProbeWishes(limit=limit, forks=forks, resume=resume)
    found = probe_fleet(inventory, output, lambda one: log(_line(one)), wishes)
    if as_json:
        print_json(found)
    else:
        counts = Counter(one.outcome for one in found.nodes)
        told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
        print_lines([f"Fleet     {count_of(len(found.nodes), 'node')}: {told}; in {found.hosts}"])
    if any(one.outcome not in {Outcome.OK, Outcome.KEPT} for one in found.nodes):
        raise typer.Exit(int(Exit.FLEET))


def _line(one: NodeAnswer) -> str:
    return f"{one.name}: {one.outcome}{f', {one.cause}' if one.cause else ''}"
