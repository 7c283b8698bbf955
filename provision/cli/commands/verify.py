"""`kgpu-env verify`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provision.cli import options as o
from provision.cli.app import command
from provision.cli.output import check_writable
from provision.cli.proving import deliver, prove
from provision.cli.session import engine, plan, probe_this_host, read_host
from provision.errors import NoStackError
from provision.model import Host, Vendor

if TYPE_CHECKING:
    from provision.engine.protocol import Engine


@command
def verify(
    image: Annotated[
        str | None, typer.Argument(help="Any image with TensorFlow; by default the one built last.")
    ] = None,
    vendor: o.Vendor = None,
    gpus: o.Gpus = "all",
    host: o.Host = None,
    report: o.Report = None,
    html: o.Html = None,
    timeout: o.Timeout = 600.0,
    as_json: o.Json = False,
) -> None:
    """Train in a container of the image and tell whether the GPU did it."""
    from provision.prove import VerifyRequest

    check_writable(report, html)
    here = read_host(host) if host else probe_this_host()
    name = image or _default_image(vendor, host)
    with engine() as connected:
        asked = _vendor(connected, name, vendor, here)
        request = VerifyRequest(vendor=asked, gpus=gpus, seconds=timeout)
        proof = prove(connected, name, request, here)
    deliver(proof, report, html, as_json=as_json)


def _default_image(vendor: str | None, host: Path | None) -> str:
    from provision.render.dockerfile import default_tag

    found = plan({"vendor": vendor, "host": host})
    return found.settings.tag or default_tag(found.stack)


def _vendor(connected: "Engine", image: str, asked: str | None, host: Host) -> Vendor:
    """Return what is to be proved. A GPU that is there is meant, unless the CPU is asked for by name."""
    from provision.prove import image_vendor
    from provision.prove.verify import image_stack

    if asked and asked != "auto":
        return Vendor({"nvidia": "cuda", "amd": "rocm"}.get(asked, asked))
    found = connected.image(image)
    made_for = image_vendor(found) if found else Vendor.AUTO
    if made_for in {Vendor.CUDA, Vendor.ROCM}:
        return made_for
    for vendor in (Vendor.CUDA, Vendor.ROCM):
        if host.gpus_of(vendor.gpu or ""):
            return vendor
    if found is None or image_stack(found):
        return made_for
    raise NoStackError(
        "KGE-214",
        f"There is nothing to prove: this host has no GPU, and {image} does not tell what it was made for.",
        why=f"looked at: {', '.join(host.looked_at)}",
        fix="say what it should train on: --vendor cuda, rocm or cpu",
    )
