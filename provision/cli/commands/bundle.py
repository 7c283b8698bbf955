"""`kgpu-env bundle`."""

from pathlib import Path
from typing import Annotated

import typer

from provision import api
from provision.cli import options as o
from provision.cli.completion import images
from provision.cli.output import log, print_json, print_result
from provision.cli.planning import catalogue_of, settings


def bundle(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE.tar", help="The archive that is written.")] = Path(
        "kgpu-env-bundle.tar"
    ),
    image: Annotated[
        str | None,
        typer.Option(
            metavar="IMAGE", help="Put this finished image into it, too, as the engine has it.", autocompletion=images
        ),
    ] = None,
    *,
    force: o.Force = False,
    network: o.NetworkOptions,
    as_json: o.Json = False,
) -> None:
    """Write kgpu.lock and all that it needs to one archive.

    kgpu-env build --bundle FILE builds from it on a host without a network, kgpu-env verify --bundle FILE proves it.
    Debian packages that the base lacks are then in kgpu.lock, too, by version and hash: each later bundle has the same.

    Examples:
        kgpu-env bundle --out site.tar
    """
    chosen = settings(network)
    found = api.bundle(
        Path("kgpu.lock"),
        out,
        network=chosen.network,
        image=image,
        force=force,
        catalogue=catalogue_of(network),
        log=lambda text: log(f"Bundle    {text}"),
    )
    if as_json:
        print_json(found)
        return
    log(f"Bundle    {found.wheels} wheels, {found.bytes / 1e6:,.1f} MB")
    print_result(found.bundle)
