"""`kgpu-env verify`."""

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provision.cli import options as o
from provision.cli.app import command
from provision.cli.proving import deliver, prepare, prove, prove_here, verify_request
from provision.cli.session import engine, plan, probe_this_host, read_host
from provision.errors import InputError, NoStackError, UsageError
from provision.model import Host, Vendor

if TYPE_CHECKING:
    from provision.engine.protocol import Engine


@command
def verify(
    image: Annotated[
        str | None, typer.Argument(help="Any image with Keras and its framework; by default the one built last.")
    ] = None,
    vendor: o.Vendor = None,
    host: o.Host = None,
    *,
    proof: o.ProofOptions,
    here: o.Here = False,
    python: o.Interpreter = None,
    reports: o.ReportOptions,
    as_json: o.Json = False,
) -> None:
    """Train in a container of the image and tell whether the GPU did it."""
    _check_place(image, python, host, here=here)
    secret = prepare(proof, reports)
    interpreter = _interpreter(python) if here else None
    this = read_host(host) if host else probe_this_host()
    if interpreter:
        judged = prove_here(interpreter, verify_request(proof, _vendor_here(vendor, this)), this)
    else:
        name = image or _default_image(o.StackOptions(vendor=vendor, host=host, backend=proof.backend))
        with engine() as connected:
            request = verify_request(proof, _vendor(connected, name, vendor, this))
            judged = prove(connected, name, request, this, secret)
    deliver(judged, reports, as_json=as_json)


def _check_place(image: str | None, python: Path | None, host: Path | None, *, here: bool) -> None:
    if here and (image or host):
        raise UsageError("KGE-592", "--here takes no image and no host file: it proves this environment.")
    if python and not here:
        raise UsageError("KGE-592", "--python belongs to --here.", fix="add --here, or leave it out")


def _interpreter(asked: Path | None) -> Path:
    """Return the Python to prove: a virtual environment's name is kept, since its packages hang on the name.

    Raises:
        InputError: KGE-593, not a program.
    """
    if asked:
        if not os.access(asked, os.X_OK) or asked.is_dir():
            fix = "name the interpreter itself, such as /opt/venv/bin/python"
            raise InputError("KGE-593", f"{asked} is no Python that can be run.", fix=fix)
        return asked
    # The environment that is active is meant, not the one this tool may have for itself.
    active = os.environ.get("VIRTUAL_ENV")
    found = shutil.which("python3", path=f"{active}/bin") if active else None
    return Path(found or sys.executable)


def _default_image(options: o.StackOptions) -> str:
    from provision.render.dockerfile import default_tag

    found = plan(options)
    return found.settings.tag or default_tag(found.stack)


def _vendor_here(asked: str | None, host: Host) -> Vendor:
    named = _named(asked)
    if named is not None:
        return named
    for vendor in (Vendor.CUDA, Vendor.ROCM):
        if host.gpus_of(vendor.gpu or ""):
            return vendor
    raise _nothing(host, "nothing says what this environment is for")


def _named(asked: str | None) -> Vendor | None:
    return Vendor({"nvidia": "cuda", "amd": "rocm"}.get(asked, asked)) if asked and asked != "auto" else None


def _vendor(connected: "Engine", image: str, asked: str | None, host: Host) -> Vendor:
    """Return what is to be proved. A GPU that is there is meant, unless the CPU is asked for by name."""
    from provision.prove import image_vendor
    from provision.prove.verify import image_stack

    named = _named(asked)
    if named is not None:
        return named
    found = connected.image(image)
    made_for = image_vendor(found) if found else Vendor.AUTO
    if made_for in {Vendor.CUDA, Vendor.ROCM}:
        return made_for
    for vendor in (Vendor.CUDA, Vendor.ROCM):
        if host.gpus_of(vendor.gpu or ""):
            return vendor
    if found is None or image_stack(found):
        return made_for
    raise _nothing(host, f"{image} does not tell what it was made for")


def _nothing(host: Host, why: str) -> NoStackError:
    return NoStackError(
        "KGE-214",
        f"There is nothing to prove: this host has no GPU, and {why}.",
        why=f"looked at: {', '.join(host.looked_at)}",
        fix="say what it should train on: --vendor cuda, rocm or cpu",
    )
