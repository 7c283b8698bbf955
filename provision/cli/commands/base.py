"""`kgpu-env base`."""

from typing import Annotated

import typer

from provision import library
from provision.cli import options as o
from provision.cli.app import command
from provision.cli.documents import BaseDocument
from provision.cli.output import answer, answer_json, say


@command
def base(
    suite: Annotated[str, typer.Argument(metavar="SUITE", help="Debian suite.")] = "bookworm",
    tag: Annotated[str | None, typer.Option(metavar="NAME:TAG", help="Name of the image.")] = None,
    as_json: o.Json = False,
) -> None:
    """Make a base image from this machine's apt sources.

    It serves hosts that reach no registry.
    """
    from provision.engine.base_image import LOCAL_PREFIX
    from provision.engine.debian_base import make_base

    name = tag or f"{LOCAL_PREFIX}{suite}"
    with library.engine() as connected:
        image = make_base(connected, suite, name, lambda text: say(f"base      {text}"))
    if as_json:
        answer_json(BaseDocument(tag=name, image_id=image.image_id, size_bytes=image.size_bytes))
    else:
        answer(name)
