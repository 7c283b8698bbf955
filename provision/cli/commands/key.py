"""`kgpu-env key`: a pair of keys that signs records."""

import os
from pathlib import Path
from typing import Annotated

import typer

from provision import api
from provision.cli import options as o
from provision.cli.output import log, print_json, print_result
from provision.cli.proving import records


def key(
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Make the pair in this new file; by default this node's own is made once."),
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="Make nothing: print the public key of one there is.")
    ] = False,
    as_json: o.Json = False,
) -> None:
    """Make a key pair that signs records, and print its public key.

    Whoever has the public key can tell this node's records: kgpu-env gate --trusted-key FILE.

    Examples:
        kgpu-env key > node7.pem
    """
    path = out or api.own_key(records(None))
    found = api.key_pair(path, make=not public and (out is not None or not os.path.lexists(path)))
    log(f"Key       {found.path} {'made' if found.made else 'was there'}: keep it secret, the public key is below")
    if as_json:
        print_json(found)
    else:
        print_result(found.public)
