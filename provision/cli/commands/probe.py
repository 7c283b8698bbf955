"""`kgpu-env probe`."""

from pathlib import Path
from typing import Annotated

import typer

from provision.cli.app import command
from provision.cli.describing import describe
from provision.cli.options import Json
from provision.cli.output import answer_json, answer_lines


@command
def probe(
    root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Read the captured or mounted machine below DIR, and run no tool."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell which GPUs, drivers, engine and toolkits this host has."""
    from provision.cli.session import this_host

    host = this_host(root)
    if as_json:
        answer_json(host)
        return
    answer_lines(describe(host, captured=root is not None))
