"""`kgpu-env inspect`."""

from collections.abc import Iterator
from typing import Annotated

import typer
from msgspec.structs import replace

from provision import api
from provision.cli import options as o
from provision.cli.completion import images
from provision.cli.output import check_writable, log, print_json, print_lines, print_result, write_file
from provision.model.inventory import Difference, Inspection

Image = Annotated[
    str, typer.Argument(metavar="IMAGE", help="An image that kgpu-env built and the engine has.", autocompletion=images)
]


def inspect(image: Image, sbom: o.Sbom = None, force: o.Force = False, as_json: o.Json = False) -> None:
    """Tell what an image was built from, and what differs now.

    Examples:
        kgpu-env inspect team.example/keras:1 --sbom sbom.json
    """
    check_writable(sbom, force=force)
    found = api.inspect(image)
    if sbom:
        write_file(sbom, api.sbom(found), force=force)
        log(f"wrote     {sbom}")
        found = replace(found, sbom=str(sbom))
    if as_json:
        print_json(found)
        return
    print_result(f"Stack     {found.labels.get('org.opencontainers.image.description') or found.stack.framework}")
    print_lines(_lines(found))


def _lines(found: Inspection) -> Iterator[str]:
    inventory = found.inventory
    yield f"Built     by kgpu-env {found.version}, plan {found.plan_digest}"
    yield f"Image     {found.image_id}"
    how = "by hash" if found.locked else "not all by hash"
    yield f"Pins      {len(inventory.pins)} {how}"
    yield f"Inside    {len(inventory.python)} Python packages, {len(inventory.debian)} Debian packages"
    if not found.drift:
        yield "Drift     none: what is installed is what was pinned"
    yield from (f"Drift     {_told(one)}" for one in found.drift)


def _told(one: Difference) -> str:
    if not one.pinned:
        return f"{one.name} {one.installed} is installed and was not pinned"
    return f"{one.name} {one.pinned} was pinned, {one.installed or 'nothing of it'} is installed"
