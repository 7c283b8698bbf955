"""What the commands of a fleet have in common."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from provision.cli.output import print_json, print_lines, warn
from provision.model.fleet import FleetExamination, FleetPlan
from provision.model.fleet_status import FleetStatus

Hosts = Annotated[
    Path,
    typer.Argument(
        metavar="HOSTS",
        help="A folder: NODE.json (kgpu-env probe --json), NODE.tar.gz (--capture) or a tree NODE/. Or what "
        "kubectl get nodes -o json prints, in a file.",
    ),
]
Plan = Annotated[Path, typer.Argument(metavar="PLAN", help="As kgpu-env fleet plan -o PLAN writes it.")]

Inventory = Annotated[Path, typer.Option("-i", "--inventory", metavar="INVENTORY", help="Of Ansible: file or folder.")]
Limit = Annotated[str, typer.Option(metavar="PATTERN", help="Only these nodes, by Ansible's pattern.")]
Forks = Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="So many nodes at a time.")]
Keys = Annotated[
    list[Path] | None,
    typer.Option("--trusted-key", metavar="FILE", help="A public key (PEM); only records that one has signed count."),
]


def print_answer(found: FleetExamination | FleetPlan | FleetStatus, lines: Iterable[str], *, as_json: bool) -> None:
    """Print an answer as its document, or in lines with what was decided while reading."""
    if as_json:
        print_json(found)
        return
    print_lines(lines)
    for warning in found.warnings:
        warn(f"warning   {warning}")
