"""`kgpu-env probe`."""

from pathlib import Path
from typing import Annotated

import typer

from provision.cli.context import this_host
from provision.cli.formatting.host import describe
from provision.cli.options import Json
from provision.cli.output import print_json, print_lines
from provision.errors import Exit
from provision.model import Severity


def probe(
    root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Read the captured or mounted machine below DIR, and run no tool."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 where there is an error or a warning.")] = False,
    as_json: Json = False,
) -> None:
    """Tell which GPUs, drivers, engine and toolkits this host has."""
    host = this_host(root)
    if as_json:
        print_json(host)
    else:
        print_lines(describe(host, captured=root is not None))
    if strict and any(finding.severity is not Severity.INFO for finding in host.findings):
        raise typer.Exit(int(Exit.INPUT))
