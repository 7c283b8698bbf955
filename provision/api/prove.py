"""Proving that an image, or an environment of this machine, trains on the GPU."""

import os
import platform
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

import provision.catalogue as facts
from provision import model
from provision.api.hosts import engine as connection
from provision.api.hosts import probe_host
from provision.api.records import Records, host_now, keep, known_control
from provision.engine.access import device_access
from provision.errors import InputError, NoStackError
from provision.model import GPU_VENDORS, Host, Proof, Status, Vendor, selection
from provision.model.events import OnEvent, unheard
from provision.model.labels import plan_of, stack_of

MACHINE_ID = Path("/etc/machine-id")  # not to be told as it is: machine-id(5) wants a keyed hash instead
LOCAL = "unix://"  # how the address of a socket on this machine begins

if TYPE_CHECKING:
    from provision.engine.protocol import Engine, Image
    from provision.prove import VerifyRequest
    from provision.records import Environment, HostKey


def verify(
    image: str,
    request: "VerifyRequest | None" = None,
    *,
    host: Host | None = None,
    records: Records | None = None,
    engine: "Engine | None" = None,
    catalogue: facts.Catalogue | None = None,
    log: Callable[[str], None] = lambda _: None,
    on_event: OnEvent = unheard,
    new_nonce: Callable[[], str] | None = None,
) -> Proof:
    """Train in a container of `image` and return the proof; `verdict` is "proved" only if the GPU did the work.

    Args:
        image: a local image with Keras and its framework, also one that this package did not build.
        request: vendor, GPUs, level and limits. Vendor auto: what the image was made for, else this host's GPU.
        host: this machine, if it was probed before.
        records: where the proof is kept for `gate`; by default nowhere.
        engine: by default the first that answers.
        catalogue: explains messages and names GPUs; by default the one that ships.
        log: gets a line of text about what is tried, and why a record could not be kept.
        on_event: gets each phase as it begins, from several threads; nothing depends on it.
        new_nonce: gives the number of each run; by default a random one.

    Raises:
        BuildError: KGE-408, the engine has no such image.
        EngineError: no engine answers, or it stopped to; KGE-920, another verification has one of the GPUs.
        UsageError: KGE-306, the host has no such GPU.
        NoStackError: KGE-214, neither the image nor the host tells what there is to prove.
    """
    from provision.prove import VerifyRequest  # noqa: PLC0415 - 27 ms
    from provision.prove.turn import turn  # noqa: PLC0415 - as above

    requested, known = request or VerifyRequest(), catalogue or facts.load()
    requested = replace(requested, lanes=_lanes(known))
    here = host or probe_host(catalogue=known)
    now = host_now(known) if records else None
    with connection(engine) as connected:
        found = _image_of(connected, image)
        requested = _with_image(requested, image, found, here)
        _log_host(here, requested, log)
        log(f"training in {image} on {requested.vendor}")
        if records and now and requested.level == "quick":
            requested = replace(
                requested, known_control=known_control(records, image, found.image_id, now, requested.backend)
            )
        described = connected.describe()
        there = _on(here, described)
        held = _gpus(here, requested) if not described.address or described.address.startswith(LOCAL) else ()
        with turn(held, log):
            proof = _train(connected, (image, found), requested, there, known, on_event=on_event, new_nonce=new_nonce)
    proof = _with_origin(proof, replace(there, engine=described), requested, contained=True)
    if records and now and not of_this_machine(proof, described.address):
        log(f"warning: no record is kept, for it is not seen that this machine's engine ran it: {described.place}")
    elif records and now:
        _keep(proof, records, now, plan=plan_of(found.labels), known=requested.known_control, log=log)
    return proof


def verify_here(
    python: Path,
    request: "VerifyRequest | None" = None,
    *,
    host: Host | None = None,
    records: Records | None = None,
    catalogue: facts.Catalogue | None = None,
    log: Callable[[str], None] = lambda _: None,
    on_event: OnEvent = unheard,
) -> Proof:
    """Train in a process of this machine and return the proof, judged as that of a container.

    Args:
        python: the interpreter whose packages are to be proved.
        request: vendor, GPUs, level and limits. Vendor auto: the GPU of this host.
        host: this machine, if it was probed before.
        records: where the proof is kept for `gate_here`; by default nowhere.
        catalogue: explains messages and names GPUs; by default the one that ships.
        log: gets a line of text about what is tried, and why a record could not be kept.
        on_event: gets each phase as it begins, from several threads; nothing depends on it.

    Raises:
        EngineError: KGE-920, another verification has one of the GPUs.
        UsageError: KGE-306, the host has no such GPU.
        NoStackError: KGE-214, this host has no GPU, and nothing says that the CPU is meant.
    """
    from provision.prove import VerifyRequest, mig_runs  # noqa: PLC0415 - 27 ms
    from provision.prove.runner import verify_here as run  # noqa: PLC0415 - as above
    from provision.prove.turn import turn  # noqa: PLC0415 - as above
    from provision.records import title  # noqa: PLC0415 - 5 ms

    requested, known = request or VerifyRequest(), catalogue or facts.load()
    here = host or probe_host(catalogue=known)
    vendor = _vendor_of(here) if requested.vendor is Vendor.AUTO else requested.vendor
    if vendor is None:
        raise _nothing(here, "nothing says what this environment is for")
    requested = replace(requested, vendor=vendor, lanes=_lanes(known), backend=requested.backend or "tensorflow")
    device_access(here, vendor, requested.gpus)  # names of GPUs that the host does not have are told before the work
    _log_host(here, requested, log)
    now, subject = host_now(known), _environment(python, log) if records else None
    if records and subject and requested.level == "quick":
        requested = replace(
            requested, known_control=known_control(records, title(python), subject, now, requested.backend)
        )
    log(f"training with {python} on {requested.vendor}")
    runs = [replace(requested, gpus=gpus) for gpus in mig_runs.batches(here, vendor, requested.gpus)]
    with turn(_gpus(here, requested), log):
        proof = mig_runs.merged(
            [
                run(python, one, here, known.errors, new_nonce=_nonce, clock=time.monotonic, on_event=on_event)
                for one in runs
            ]
        )
    proof = _with_origin(proof, here, requested, contained=False)
    if records and subject:
        _keep(proof, records, now, log=log, known=requested.known_control, environment=subject)
    return proof


def _gpus(host: Host, request: "VerifyRequest") -> tuple[str, ...]:
    """Return the PCI addresses of the GPUs that are to be trained on."""
    maker = request.vendor.gpu
    chosen = selection.select(host, maker, request.gpus) if maker and host.gpus_of(maker) else ()
    return tuple(gpu.pci for _, gpu in chosen if gpu.pci)


def _with_origin(proof: Proof, host: Host, request: "VerifyRequest", *, contained: bool) -> Proof:
    """Return the proof with the host's name, the time, and what else a report must say by itself."""
    from provision.prove.origin import with_origin  # noqa: PLC0415 - 27 ms

    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        secret = MACHINE_ID.read_bytes()
    except OSError:
        secret = b""
    node, engine = platform.node(), host.engine
    if contained and engine and engine.machine and engine.address and not engine.address.startswith(LOCAL):
        node = engine.machine  # it trained there
    return with_origin(proof, host, request, node=node, at=now, secret=secret, contained=contained)


def of_this_machine(proof: Proof, address: str) -> bool:
    """Tell whether a proof says anything of this machine: an engine may be another's, also behind a local socket."""
    seen = next((item.status for item in proof.checks if item.name == "machine"), Status.UNKNOWN)
    local = not address or address.startswith(LOCAL)
    return seen is Status.PASS or (local and seen is not Status.FAIL)


def _on(host: Host, engine: model.Engine) -> Host:
    """Return the host with its engine as the probe knows it, at the place of the one that answers: a file may err."""
    known = host.engine or engine
    return replace(host, engine=replace(known, address=engine.address, machine=engine.machine, system=engine.system))


def _environment(python: Path, log: Callable[[str], None]) -> "Environment | None":
    from provision.records import environment  # noqa: PLC0415 - 5 ms

    try:
        return environment(python, os.environ)
    except InputError as error:  # what does not even start ends the proof in its own words
        log(f"warning: no record is kept: {error.text} {error.cause}")
        return None


def _image_of(connected: "Engine", image: str) -> "Image":
    from provision.engine.images import no_image  # noqa: PLC0415 - 6 ms

    found = connected.image(image)
    if found is None:
        raise no_image(image)
    return found


def _with_image(requested: "VerifyRequest", name: str, image: "Image", host: Host) -> "VerifyRequest":
    """Return the request with what the image tells of itself."""
    stack = stack_of(image.labels)
    jit = stack.settings.jit_compile if stack else requested.jit_compile
    vendor = _vendor(name, image, host) if requested.vendor is Vendor.AUTO else requested.vendor
    backend = requested.backend or (stack.backend if stack else "tensorflow")
    return replace(requested, vendor=vendor, jit_compile=jit, backend=backend)


def _vendor(name: str, image: "Image", host: Host) -> Vendor:
    """Return what is to be proved. A GPU that is there is meant, unless the CPU is asked for by name."""
    from provision.prove import image_vendor  # noqa: PLC0415 - 27 ms

    made_for = image_vendor(image)
    if made_for in GPU_VENDORS:
        return made_for
    there = _vendor_of(host)
    if there:
        return there
    if stack_of(image.labels):
        return made_for
    raise _nothing(host, f"{name} does not tell what it was made for")


def _vendor_of(host: Host) -> Vendor | None:
    usable = (vendor for vendor in GPU_VENDORS if host.usable_of(vendor.row.maker))
    return next(usable, None) or next((vendor for vendor in GPU_VENDORS if host.gpus_of(vendor.row.maker)), None)


def _log_host(host: Host, requested: "VerifyRequest", log: Callable[[str], None]) -> None:
    """Say which GPUs are left out, and what the probe found about the others."""
    from provision.resolve.working import warnings_of  # noqa: PLC0415 - 5 ms

    if requested.vendor in GPU_VENDORS and host.gpus_of(requested.vendor.row.maker):
        for warning in warnings_of(host, requested.vendor, requested.gpus):
            log(f"warning: {warning.text}")


def _nothing(host: Host, why: str) -> NoStackError:
    return NoStackError(
        "KGE-214",
        f"There is nothing to prove: this host has no GPU, and {why}.",
        cause=f"looked at: {', '.join(host.looked_at)}",
        fix="say what it should train on: --vendor cuda, rocm or cpu",
    )


def _train(
    connected: "Engine",
    image: tuple[str, "Image"],
    request: "VerifyRequest",
    host: Host,
    known: facts.Catalogue,
    *,
    on_event: OnEvent,
    new_nonce: Callable[[], str] | None,
) -> Proof:
    from provision.prove import mig_runs  # noqa: PLC0415 - 27 ms
    from provision.prove.runner import verify as run  # noqa: PLC0415 - as above

    return mig_runs.merged(
        [
            run(
                connected,
                *image,
                replace(request, gpus=gpus),
                host,
                device_access(host, request.vendor, gpus),
                known.errors,
                new_nonce=new_nonce or _nonce,
                clock=time.monotonic,
                on_event=on_event,
            )
            for gpus in mig_runs.batches(host, request.vendor, request.gpus)
        ]
    )


def _keep(
    proof: Proof,
    records: Records,
    host: "HostKey",
    *,
    log: Callable[[str], None],
    plan: str = "",
    known: str = "",
    environment: "Environment | None" = None,
) -> None:
    try:
        keep(proof, records, host, plan=plan, known=known, environment=environment)
    except InputError as error:  # the proof stands without its record; only the gate will not know it
        log(f"warning: {error.text} {error.cause}")


def _lanes(known: facts.Catalogue) -> dict[str, int]:
    return {row.architecture: row.lanes for row in known.lanes}


def _nonce() -> str:
    """Return a number that no other run has."""
    return os.urandom(16).hex()
