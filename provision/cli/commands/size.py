"""`kgpu-env size`."""

from typing import Annotated

import typer

from provision import api
from provision.cli import options as o
from provision.cli.completion import images
from provision.cli.output import print_json, print_lines, print_result
from provision.engine.build_steps import step_words
from provision.model.size import ImageSize

Image = Annotated[str, typer.Argument(metavar="IMAGE", help="An image that the engine has.", autocompletion=images)]
_PACKAGES, _WIDTH = 20, 60


def size(image: Image, as_json: o.Json = False) -> None:
    """Tell what takes the space in an image, by layer and by package.

    Examples:
        kgpu-env size team.example/keras:1
    """
    found = api.image_size(image)
    if as_json:
        print_json(found)
        return
    print_result(f"{_megabytes(found.bytes)}  {image}")
    print_lines(f"{_megabytes(one.bytes)}  layer    {_made(one.command)[:_WIDTH]}" for one in found.layers)
    print_lines(f"{_megabytes(one.bytes)}  package  {one.name} {one.version}" for one in found.packages[:_PACKAGES])
    print_lines(_rest(found))


def _made(command: str) -> str:
    """Return what a layer was made by, in words where its command is of a kind that is known."""
    return step_words(command)[0] or command


def _rest(found: ImageSize) -> list[str]:
    others = found.packages[_PACKAGES:]
    told = f"{_megabytes(sum(one.bytes for one in others))}  {len(others)} other packages"
    return [told] if others else []


def _megabytes(count: int) -> str:
    return f"{count / 1e6:>10,.1f} MB"
