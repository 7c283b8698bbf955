"""Proving and reporting, for `verify` and `up`."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from provision import api
from provision.cli.options import ProofOptions, ReportOptions
from provision.cli.output import check_writable, print_json, print_lines, print_result, write_files
from provision.errors import Exit, InputError, UsageError
from provision.model import Proof, Stack, Vendor, Verdict, encode
from provision.model.selection import ALL
from provision.redaction import redacted

if TYPE_CHECKING:
    from provision.prove import VerifyRequest

SOAK_MINUTES = 5.0  # on each GPU, when none are named


def prepare(options: ProofOptions, reports: ReportOptions) -> api.Records:
    """Refuse at once what would fail after the long work; return where the proof's record is kept.

    Raises:
        UsageError: KGE-592, minutes without the level soak.
        InputError: KGE-591, the key cannot be used; KGE-605, a report could not be written; KGE-634, one is
            another's file.
    """
    check_writable(*reports.files, force=reports.force)
    if options.minutes is not None and options.level != "soak":
        raise UsageError("KGE-592", "--minutes belongs to --level soak.", fix="add --level soak, or leave it out")
    kept = records(options.key)
    if options.key or os.path.lexists(api.own_key(kept)):
        api.key_pair(api.own_key(kept), make=False)
    return kept


def records(key: Path | None, trusted: Sequence[Path] = ()) -> api.Records:
    """Return this user's records, with the key that signs them and those that are trusted, where they are named."""
    from provision.records import state_folder  # noqa: PLC0415 - 5 ms

    return api.Records(folder=state_folder(os.environ), key=key, trusted=tuple(trusted))


def verify_request(options: ProofOptions, vendor: Vendor = Vendor.AUTO, gpus: str | None = None) -> "VerifyRequest":
    """Return what is to be proved, on the GPUs of the options, or else on `gpus`."""
    from provision.prove import VerifyRequest  # noqa: PLC0415 - 27 ms

    return VerifyRequest(
        vendor=vendor,
        gpus=options.gpus or gpus or ALL,
        seconds=options.timeout,
        level=options.level,
        minutes=(options.minutes or SOAK_MINUTES) if options.level == "soak" else 0.0,
        backend=options.backend,
        anonymous=options.anonymous,
    )


def check_place(python: Path | None, *others: object, here: bool, inside: bool = False) -> None:
    """Raise UsageError KGE-592 for options of which one means a container and the other this environment.

    Args:
        python: as --python names it.
        others: an image and a host file, where they were given.
        here: as --here says.
        inside: whether the Python may be one of an image.
    """
    if here and others:
        what = "--here takes no image and no host file: it is about this environment."
        raise UsageError("KGE-592", what, fix="leave them out, or leave out --here")
    if python and not here and not inside:
        raise UsageError("KGE-592", "--python belongs to --here.", fix="add --here, or leave it out")
    if python and not here and not python.is_absolute():
        what = f"--python {python} is no whole path inside the image."
        raise UsageError("KGE-592", what, fix="write it from / on, or add --here for a Python of this machine")


def interpreter(requested: Path | None) -> Path:
    """Return the Python to prove: a virtual environment's name is kept, since its packages hang on the name.

    Raises:
        InputError: KGE-593, not a program.
    """
    if requested:
        if not os.access(requested, os.X_OK) or requested.is_dir():
            fix = "name the interpreter itself, such as /opt/venv/bin/python"
            raise InputError("KGE-593", f"{requested} is no Python that can be run.", fix=fix)
        return requested.absolute()  # a record goes by this name, wherever it is asked for
    # The environment that is active is meant, not the one this tool may have for itself.
    active = os.environ.get("VIRTUAL_ENV")
    found = shutil.which("python3", path=f"{active}/bin") if active else None
    return Path(found or sys.executable)


def write_report(proof: Proof, reports: ReportOptions, *, as_json: bool, stack: Stack | None = None) -> None:
    """Print the verdict, write the reports, and end with the verdict's exit code."""
    from provision.prove.report.summary import summary  # noqa: PLC0415 - 27 ms

    texts = {path: redacted(text()).encode() for path, text in _texts(proof, reports, stack)}
    write_files(texts, force=True)  # whose they are was asked before the work
    if as_json:
        print_json(proof)
    else:
        print_lines(summary(proof))
        if reports.files:
            print_result(f"Report    {' '.join(map(str, reports.files))}")
    if proof.verdict not in {Verdict.PROVED, Verdict.CPU}:
        raise typer.Exit(int(Exit.NOT_PROVED))


def _texts(proof: Proof, reports: ReportOptions, stack: Stack | None) -> list[tuple[Path, Callable[[], str]]]:
    """Return each file that was asked for with what makes its text."""
    from provision.prove.report.formats import ctrf, junit  # noqa: PLC0415 - 33 ms

    def html() -> str:
        from provision.prove.report.page import page  # noqa: PLC0415 - 45 ms

        return page(proof, stack)

    made = (
        (reports.report, lambda: encode(proof)),
        (reports.html, html),
        (reports.junit, lambda: junit(proof)),
        (reports.ctrf, lambda: ctrf(proof, int(time.time() * 1000))),
    )
    return [(path, text) for path, text in made if path]
