"""`kgpu-env verify`."""

from typing import Annotated

import typer
from msgspec.structs import replace

from provision import api
from provision.cli import options as o
from provision.cli.completion import images
from provision.cli.context import load_catalogue, this_host
from provision.cli.live import Live
from provision.cli.output import log
from provision.cli.planning import plan
from provision.cli.proving import check_place, interpreter, prepare, verify_request, write_report
from provision.errors import UsageError
from provision.model import VENDORS


def verify(
    image: Annotated[
        str | None,
        typer.Argument(
            metavar="IMAGE",
            help="Any image with Keras and its framework; by default the one built last.",
            autocompletion=images,
        ),
    ] = None,
    vendor: o.Vendor = None,
    host: o.Host = None,
    *,
    proof: o.ProofOptions,
    here: o.Here = False,
    python: o.Interpreter = None,
    bundle: o.Bundle = None,
    reports: o.ReportOptions,
    talk: o.TalkOptions,  # noqa: ARG001 - read before the command runs
    as_json: o.Json = False,
) -> None:
    """Train in a container, and tell whether the GPU did it.

    With --here in a process of this machine.

    Examples:
        kgpu-env verify
        kgpu-env verify team.example/keras:1 --gpus 0,1 --report proof.json
        kgpu-env verify --here --level quick
    """
    check_place(python, *filter(None, (image, host, bundle)), here=here, inside=True)
    if image and bundle:
        raise UsageError("KGE-902", "A bundle names its image itself.", fix="leave out IMAGE, or --bundle")
    records = prepare(proof, reports)
    chosen = interpreter(python) if here else None
    this = api.read_host(host) if host else this_host()
    request = verify_request(proof, VENDORS[vendor or "auto"])
    request = request if here or not python else replace(request, python=str(python))
    asked = {"backend": proof.backend, "gpus": proof.gpus}
    if bundle and not chosen:
        with api.bundled_image(bundle, log=lambda text: log(f"Bundle    {text}")) as loaded:
            image = loaded
    name = "" if chosen else image or plan(o.StackOptions(vendor=vendor, host=host, settings=asked)).tag
    facts = load_catalogue()
    with Live("Verify") as live:
        if chosen:
            judged = api.verify_here(
                chosen, request, host=this, records=records, catalogue=facts, log=live.log, on_event=live
            )
        else:
            judged = api.verify(name, request, host=this, records=records, catalogue=facts, log=live.log, on_event=live)
    write_report(judged, reports, as_json=as_json)
