"""`kgpu-env verify`."""

import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provision.cli import options as o
from provision.cli.app import command
from provision.cli.output import answer, answer_json, say, write_file
from provision.cli.session import engine, plan, probe_this_host, read_host
from provision.errors import Exit, NoStackError
from provision.model import Host, Proof, Stack, Vendor, Verdict, encode

if TYPE_CHECKING:
    from provision.engine.protocol import Engine
    from provision.prove import VerifyRequest

Report = Annotated[Path | None, typer.Option(metavar="FILE.json", help="Write the whole proof to this file.")]
Html = Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write the proof as a page to this file.")]
Limit = Annotated[float, typer.Option(metavar="SECONDS", min=1, help="End the training after this time.")]


@command
def verify(
    image: Annotated[
        str | None, typer.Argument(help="Any image with TensorFlow; by default the one built last.")
    ] = None,
    vendor: o.Vendor = None,
    gpus: o.Gpus = "all",
    host: o.Host = None,
    report: Report = None,
    html: Html = None,
    time_limit: Limit = 600.0,
    as_json: o.Json = False,
) -> None:
    """Train in a container of the image and tell whether the GPU did it."""
    from provision.prove import VerifyRequest

    here = read_host(host) if host else probe_this_host()
    name = image or _default_image(vendor, host)
    with engine() as connected:
        asked = _vendor(connected, name, vendor, here)
        request = VerifyRequest(vendor=asked, gpus=gpus, seconds=time_limit)
        proof = prove(connected, name, request, here)
    deliver(proof, report, html, as_json=as_json)


def _default_image(vendor: str | None, host: Path | None) -> str:
    from provision.render.dockerfile import default_tag

    return default_tag(plan({"vendor": vendor, "host": host}).stack)


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
        "KGE-504",
        f"There is nothing to prove: this host has no GPU, and {image} does not tell what it was made for.",
        why=f"looked at: {', '.join(host.looked_at)}",
        fix="say what it should train on: --vendor cuda, rocm or cpu",
    )


def prove(connected: "Engine", image: str, request: "VerifyRequest", host: Host) -> Proof:
    """Run the workload in a container of `image` and return the judged proof."""
    from msgspec.structs import replace

    from provision.catalogue import load
    from provision.engine.access import device_access
    from provision.prove import image_vendor
    from provision.prove.verify import image_stack
    from provision.prove.verify import verify as run

    found = connected.image(image)
    stack = image_stack(found) if found else None
    vendor = request.vendor
    if vendor is Vendor.AUTO and found:
        vendor = image_vendor(found)
    if stack:
        request = replace(request, jit_compile=stack.settings.jit_compile)
    here = replace(host, engine=host.engine or connected.describe())
    say(f"Verify    training in {image}" + (f" on {vendor}" if vendor is not Vendor.AUTO else ""))
    return run(
        connected,
        image,
        replace(request, vendor=vendor),
        here,
        device_access(here, vendor, request.gpus),
        load().errors,
        new_nonce=lambda: secrets.token_hex(16),
        clock=time.monotonic,
    )


def deliver(proof: Proof, report: Path | None, html: Path | None, *, as_json: bool, stack: Stack | None = None) -> None:
    """Print the verdict, write the reports, and end with the verdict's exit code."""
    from provision.prove import summary

    if report:
        write_file(report, encode(proof).encode())
    if html:
        from provision.prove.page import page

        write_file(html, page(proof, stack).encode())
    if as_json:
        answer_json(proof)
    else:
        for line in summary(proof):
            answer(line)
        if report or html:
            answer(f"Report    {' '.join(str(path) for path in (report, html) if path)}")
    if proof.verdict not in {Verdict.PROVED, Verdict.CPU}:
        raise typer.Exit(int(Exit.NOT_PROVED))
