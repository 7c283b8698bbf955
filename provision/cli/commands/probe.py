"""`kgpu-env probe`."""

from pathlib import Path
from typing import Annotated

import typer

from provision.cli.context import this_host
from provision.cli.formatting.host import describe
from provision.cli.options import Json
from provision.cli.output import print_json, print_lines


def probe(
    root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Read the captured or mounted machine below DIR, and run no tool."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell which GPUs, drivers, engine and toolkits this host has."""
    host = this_host(root)
    if as_json:
        print_json(host)
        return
    print_lines(describe(host, captured=root is not None))
