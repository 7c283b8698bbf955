"""`kgpu-env check`."""

from typing import Annotated

import typer

from provision import api
from provision.cli import options as o
from provision.cli.completion import images
from provision.cli.context import this_host
from provision.cli.documents import CheckDocument
from provision.cli.output import log, print_json, print_lines, print_result
from provision.cli.planning import catalogue_of, settings
from provision.resolve.image_check import check_image

Image = Annotated[
    str,
    typer.Argument(
        metavar="IMAGE", help="Image reference, such as nvidia/cuda:12.6.3-base-ubuntu24.04.", autocompletion=images
    ),
]


def check(
    image: Image,
    host: o.Host = None,
    *,
    options: o.NetworkOptions,
    as_json: o.Json = False,
) -> None:
    """Tell whether an image starts on the host, before it is pulled.

    Its configuration alone is read, from the engine or from the registry.

    Examples:
        kgpu-env check nvidia/cuda:12.6.3-base-ubuntu24.04
        kgpu-env check team.example/keras:1 --host node7.json
    """
    network = settings(options).network
    where = api.read_host(host) if host else this_host()
    found = api.read_configuration(image, where.architecture, network)
    size = f"{found.bytes_read:,} bytes from {found.origin}, no layer"
    log(f"read      {size}" if found.bytes_read else f"read      {found.origin}'s own copy")
    verdict = check_image(catalogue_of(options), where, image, found.environment, found.labels)
    if as_json:
        print_json(
            CheckDocument(
                image=image,
                origin=found.origin,
                digest=found.digest,
                bytes_read=found.bytes_read,
                environment=found.environment,
                conditions=verdict.conditions,
                notes=verdict.notes,
            )
        )
        return
    print_result(f"{image} {'starts on this host' if verdict.conditions else 'has no condition that could stop it'}.")
    print_lines(f"          {line}" for line in (*verdict.conditions, *verdict.notes))
