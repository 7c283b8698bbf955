"""Proving and reporting, for `verify` and `up`."""

import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from provision.cli.output import answer, answer_json, say, write_file
from provision.cli.session import facts
from provision.errors import Exit
from provision.model import Host, Proof, Stack, Vendor, Verdict, encode

if TYPE_CHECKING:
    from provision.engine.protocol import Engine
    from provision.prove import VerifyRequest


def prove(connected: "Engine", image: str, request: "VerifyRequest", host: Host) -> Proof:
    """Run the workload in a container of `image` and return the judged proof."""
    from msgspec.structs import replace

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
        facts().errors,
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
