"""`kgpu-env verify`."""

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from provision import library
from provision.cli import options as o
from provision.cli.app import command
from provision.cli.proving import deliver, prepare, tell, verify_request
from provision.cli.session import facts, plan, this_host
from provision.errors import InputError, UsageError
from provision.model import Vendor


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
    records = prepare(proof, reports)
    interpreter = _interpreter(python) if here else None
    this = library.read_host(host) if host else this_host()
    request = verify_request(proof, _named(vendor))
    if interpreter:
        judged = library.verify_here(interpreter, request, host=this, catalogue=facts(), say=tell)
    else:
        name = image or _default_image(o.StackOptions(vendor=vendor, host=host, backend=proof.backend))
        judged = library.verify(name, request, host=this, records=records, catalogue=facts(), say=tell)
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


def _named(vendor: str | None) -> Vendor:
    return Vendor({"nvidia": "cuda", "amd": "rocm"}.get(vendor, vendor)) if vendor else Vendor.AUTO
