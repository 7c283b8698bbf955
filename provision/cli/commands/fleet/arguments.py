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


def print_answer(found: FleetExamination | FleetPlan | FleetStatus, lines: Iterable[str], *, as_json: bool) -> None:
    """Print an answer as its document, or in lines with what was decided while reading."""
    if as_json:
        print_json(found)
        return
    print_lines(lines)
    for warning in found.warnings:
        warn(f"warning   {warning}")
