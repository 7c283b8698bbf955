"""`kgpu-env probe`."""

from pathlib import Path
from typing import Annotated

import typer

from provision.cli.app import command
from provision.cli.describing import describe
from provision.cli.options import Json
from provision.cli.output import answer_json, answer_lines
from provision.errors import Exit
from provision.model import Severity


@command
def probe(
    root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Read the captured or mounted machine below DIR, and run no tool."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 where there is an error or a warning.")] = False,
    as_json: Json = False,
) -> None:
    """Tell which GPUs, drivers, engine and toolkits this host has."""
    from provision.cli.session import this_host

    host = this_host(root)
    if as_json:
        answer_json(host)
    else:
        answer_lines(describe(host, captured=root is not None))
    if strict and any(finding.severity is not Severity.INFO for finding in host.findings):
        raise typer.Exit(int(Exit.INPUT))
