"""`kgpu-env probe`."""

from pathlib import Path
from typing import Annotated

import typer

from provision import api
from provision.cli.context import this_host
from provision.cli.formatting.host import describe
from provision.cli.options import Force, Json
from provision.cli.output import log, print_json, print_lines, write_file
from provision.errors import Exit
from provision.model import Severity


def probe(
    root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Read the captured or mounted machine below DIR, and run no tool."),
    ] = None,
    capture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.tar.gz", help="Write what was read, for a probe of it elsewhere, and print nothing."
        ),
    ] = None,
    force: Force = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 where there is an error or a warning.")] = False,
    as_json: Json = False,
) -> None:
    """Tell which GPUs, drivers, engine and toolkits this host has.

    Examples:
        kgpu-env probe
        kgpu-env probe --json > node7.json
        kgpu-env probe --capture node7.tar.gz
    """
    if capture:
        write_file(capture, api.capture(root), force=force)
        log(f"Captured  {capture}; fleet plan and fleet doctor read a folder of such files")
        return
    host = this_host(root)
    if as_json:
        print_json(host)
    else:
        print_lines(describe(host, captured=root is not None))
    if strict and any(finding.severity is not Severity.INFO for finding in host.findings):
        raise typer.Exit(int(Exit.INPUT))
