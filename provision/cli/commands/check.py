"""`kgpu-env check`."""

from typing import Annotated

import typer

from provision import library
from provision.cli import options as o
from provision.cli.app import command
from provision.cli.output import answer, answer_json, answer_lines, say
from provision.cli.session import facts, settings, this_host

Image = Annotated[
    str, typer.Argument(metavar="IMAGE", help="Image reference, such as nvidia/cuda:12.6.3-base-ubuntu24.04.")
]


@command
def check(
    image: Image,
    host: o.Host = None,
    ca_bundle: o.CaBundle = None,
    profile: o.Profile = None,
    config: o.Config = None,
    catalogue: o.Catalogue = None,
    as_json: o.Json = False,
) -> None:
    """Tell whether an image starts on the host, before it is pulled.

    Its configuration alone is read, from the engine or from the registry.
    """
    from provision.cli.documents import CheckDocument
    from provision.resolve.image_check import check_image

    network = settings(o.StackOptions(ca_bundle=ca_bundle, profile=profile, config=config)).network
    where = library.read_host(host) if host else this_host()
    found = library.read_configuration(image, where.architecture, network)
    size = f"{found.bytes_read:,} bytes from {found.origin}, no layer"
    say(f"read      {size}" if found.bytes_read else f"read      {found.origin}'s own copy")
    verdict = check_image(facts(catalogue), where, image, found.environment)
    if as_json:
        answer_json(
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
    answer(f"{image} {'starts on this host' if verdict.conditions else 'has no condition that could stop it'}.")
    answer_lines(f"          {line}" for line in (*verdict.conditions, *verdict.notes))
