"""`kgpu-env gate`: does the last proof still hold?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provision import api
from provision.cli import options as o
from provision.cli.completion import images
from provision.cli.context import load_catalogue
from provision.cli.output import print_json, print_lines
from provision.cli.proving import check_place, interpreter, records
from provision.errors import Exit

if TYPE_CHECKING:
    from provision.records import Answer


def gate(
    image: Annotated[
        str | None,
        typer.Argument(
            metavar="IMAGE", help="The image; by default the one verified last on this host.", autocompletion=images
        ),
    ] = None,
    here: o.Here = False,
    python: o.Interpreter = None,
    key: o.Key = None,
    trusted_key: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="A public key (PEM) that must have signed the record, or one of several; repeatable."
        ),
    ] = None,
    as_json: o.Json = False,
) -> None:
    """Tell from the record whether an image is proved here and now.

    It trains nothing, and answers in under a second.

    Examples:
        kgpu-env gate
        kgpu-env gate team.example/keras:1 --trusted-key node7.pem && ./train.sh
    """
    from provision.records import State  # noqa: PLC0415 - 5 ms

    check_place(python, *filter(None, (image,)), here=here)
    kept = records(key, trusted_key or ())
    if here:
        found = api.gate_here(interpreter(python), kept, catalogue=load_catalogue())
    else:
        found = api.gate(image, kept, catalogue=load_catalogue())
    if as_json:
        print_json(found)
    else:
        print_lines(_lines(found))
    if found.state is not State.PROVED:
        raise typer.Exit(int(Exit.NOT_PROVED))


def _lines(found: "Answer") -> list[str]:
    word = found.state.value.upper()
    lines = [f"{word:<9} {found.image}: {found.reason}" if found.image else f"{word:<9} {found.reason}"]
    if found.fix:
        lines.append(f"          fix       {found.fix}")
    return lines
