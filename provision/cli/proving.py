"""Proving and reporting, for `verify` and `up`."""

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from provision.cli.options import ProofOptions, ReportOptions
from provision.cli.output import answer, answer_json, check_writable, say, write_file
from provision.cli.session import facts
from provision.errors import Exit, InputError, UsageError
from provision.model import Host, Proof, Stack, Vendor, Verdict, encode

if TYPE_CHECKING:
    from provision.engine.protocol import Engine
    from provision.prove import VerifyRequest

SOAK_MINUTES = 5.0  # on each GPU, when none are named


def prepare(options: ProofOptions, reports: ReportOptions) -> bytes | None:
    """Refuse at once what would fail after the long work; return the key that signs the record, if one is named.

    Raises:
        UsageError: KGE-592, minutes without the level soak.
        InputError: KGE-591, the key cannot be used; KGE-605, a report could not be written.
    """
    from provision.cli.keeping import file_key

    check_writable(*reports.files)
    if options.minutes is not None and options.level != "soak":
        raise UsageError("KGE-592", "--minutes belongs to --level soak.", fix="add --level soak, or leave it out")
    return file_key(options.key)


def verify_request(options: ProofOptions, vendor: Vendor) -> "VerifyRequest":
    """Return what is to be proved."""
    from provision.prove import VerifyRequest

    return VerifyRequest(
        vendor=vendor,
        gpus=options.gpus,
        seconds=options.timeout,
        level=options.level,  # type: ignore[arg-type] # the option's parser lets only the three through
        minutes=(options.minutes or SOAK_MINUTES) if options.level == "soak" else 0.0,
        backend=options.backend,  # type: ignore[arg-type] # the same
    )


def prove(connected: "Engine", image: str, request: "VerifyRequest", host: Host, key: bytes | None = None) -> Proof:
    """Run the workload in a container of `image`, keep the record, and return the judged proof."""
    from msgspec.structs import replace

    from provision.cli.keeping import PLAN_LABEL, known_control
    from provision.engine.access import device_access
    from provision.prove import image_vendor
    from provision.prove.together import batches, merged
    from provision.prove.verify import image_stack
    from provision.prove.verify import verify as run

    found = connected.image(image)
    stack = image_stack(found) if found else None
    vendor = request.vendor
    if vendor is Vendor.AUTO and found:
        vendor = image_vendor(found)
    if stack:
        request = replace(request, jit_compile=stack.settings.jit_compile)
    if found and request.level == "quick":
        request = replace(request, known_control=known_control(image, found.image_id))
    here = replace(host, engine=host.engine or connected.describe())
    say(f"Verify    training in {image}" + (f" on {vendor}" if vendor is not Vendor.AUTO else ""))
    proof = merged(
        [
            run(
                connected,
                image,
                replace(request, vendor=vendor, gpus=gpus),
                here,
                device_access(here, vendor, gpus),
                facts().errors,
                new_nonce=new_nonce,
                clock=time.monotonic,
            )
            for gpus in batches(here, vendor, request.gpus)
        ]
    )
    _keep(proof, found.labels.get(PLAN_LABEL, "") if found else "", key, request.known_control)
    return proof


def prove_here(python: Path, request: "VerifyRequest", host: Host) -> Proof:
    """Run the workload with a Python of this machine and return the judged proof."""
    from provision.prove.verify import verify_here

    say(f"Verify    training with {python} on {request.vendor}")
    return verify_here(python, request, host, facts().errors, new_nonce=new_nonce, clock=time.monotonic)


def new_nonce() -> str:
    """Return a number that no other run has."""
    return secrets.token_hex(16)


def _keep(proof: Proof, plan: str, key: bytes | None, known: str) -> None:
    from provision.cli.keeping import keep

    try:
        keep(proof, plan, key, known)
    except InputError as error:  # the proof stands without its record; only the gate will not know it
        say(f"warning   {error.what} {error.why}")


def deliver(proof: Proof, reports: ReportOptions, *, as_json: bool, stack: Stack | None = None) -> None:
    """Print the verdict, write the reports, and end with the verdict's exit code."""
    from provision.prove import summary

    for path, text in _texts(proof, reports, stack):
        write_file(path, text().encode())
    if as_json:
        answer_json(proof)
    else:
        for line in summary(proof):
            answer(line)
        if reports.files:
            answer(f"Report    {' '.join(map(str, reports.files))}")
    if proof.verdict not in {Verdict.PROVED, Verdict.CPU}:
        raise typer.Exit(int(Exit.NOT_PROVED))


def _texts(proof: Proof, reports: ReportOptions, stack: Stack | None) -> list[tuple[Path, Callable[[], str]]]:
    """Return each file that was asked for with what makes its text."""
    from provision.prove.formats import ctrf, junit

    def html() -> str:
        from provision.prove.page import page

        return page(proof, stack)

    made = (
        (reports.report, lambda: encode(proof)),
        (reports.html, html),
        (reports.junit, lambda: junit(proof)),
        (reports.ctrf, lambda: ctrf(proof, int(time.time() * 1000))),
    )
    return [(path, text) for path, text in made if path]
