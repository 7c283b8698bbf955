"""`kgpu-env check`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provision.cli import options as o
from provision.cli.app import command
from provision.cli.output import answer, answer_json, say
from provision.cli.session import engine, facts, probe_this_host, read_host, settings

if TYPE_CHECKING:
    from provision.cli.documents import CheckDocument
    from provision.model import Host

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
    """Tell whether an image starts on the host, from its configuration alone, before it is pulled."""
    from msgspec.structs import replace

    from provision.build import rewrite
    from provision.resolve.imagecheck import check_image

    network = settings(o.StackOptions(ca_bundle=ca_bundle, profile=profile, config=config)).network
    where = read_host(host) if host else probe_this_host()
    found = _read(rewrite(image, network.registries), where, network.ca_bundle)
    say(f"read      {found.bytes_read:,} bytes from {found.origin}, no layer")
    verdict = check_image(facts(catalogue), where, image, found.environment)
    if as_json:
        answer_json(replace(found, image=image, conditions=verdict.conditions, notes=verdict.notes))
        return
    answer(f"{image} starts on this host.")
    for line in (*verdict.conditions, *verdict.notes):
        answer(f"          {line}")


def _read(image: str, where: "Host", ca_bundle: str | None) -> "CheckDocument":
    """Return the image's configuration: the engine's copy, which a run would use, or else the registry's."""
    from provision.cli.documents import CheckDocument
    from provision.errors import EngineError
    from provision.registry import parse_reference, read_image
    from provision.registry.http import Http
    from provision.registry.token import stored_login

    reference = parse_reference(image)
    try:
        with engine() as connected:
            local = connected.image(image)
    except EngineError:  # no engine: the registry answers as well
        local = None
    if local:
        environment = dict(word.partition("=")[::2] for word in local.env)
        return CheckDocument(image=image, origin="the engine", digest=local.image_id, environment=environment)
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    bundle = ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE")
    transport = Http(bundle)
    try:
        remote = read_image(reference, where.architecture, transport, lambda name: stored_login(name, folder))
    finally:
        transport.close()
    return CheckDocument(
        image=image,
        origin=f"the registry {reference.host}",
        digest=remote.digest,
        bytes_read=remote.bytes_read,
        environment=remote.env,
    )
