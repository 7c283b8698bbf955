"""`kgpu-env base`."""

from typing import Annotated

import typer

from provision import api
from provision.cli import options as o
from provision.cli.documents import BaseDocument
from provision.cli.live import Live
from provision.cli.output import print_json, print_result
from provision.model.events import Event


def base(
    suite: Annotated[str, typer.Argument(metavar="SUITE", help="Debian suite.")] = "bookworm",
    tag: Annotated[str | None, typer.Option(metavar="NAME:TAG", help="Name of the image.")] = None,
    *,
    talk: o.TalkOptions,  # noqa: ARG001 - read before the command runs
    as_json: o.Json = False,
) -> None:
    """Make a base image from this machine's apt sources.

    It serves hosts that reach no registry.

    Examples:
        kgpu-env base bookworm
    """
    from provision.engine.base_image import LOCAL_PREFIX  # noqa: PLC0415 - 8 ms
    from provision.engine.debian_base import make_base  # noqa: PLC0415 - 2 ms

    name = tag or f"{LOCAL_PREFIX}{suite}"
    with api.engine() as connected, Live("Base") as live:
        image = make_base(connected, suite, name, lambda text: live(Event(phase=f"making {name}", said=text)))
    if as_json:
        print_json(BaseDocument(tag=name, image_id=image.image_id, size_bytes=image.size_bytes))
    else:
        print_result(name)
