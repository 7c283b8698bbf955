"""`kgpu-env doctor`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from provision import api
from provision.catalogue import Catalogue, load
from provision.cli import options as o
from provision.cli.app import check_environment
from provision.cli.completion import codes, images
from provision.cli.context import load_catalogue
from provision.cli.documents import CodeDocument, DoctorDocument
from provision.cli.output import print_json, print_lines, print_result
from provision.doctor import explain, is_broken
from provision.doctor.commands import script
from provision.doctor.telling import told
from provision.doctor.text import decode
from provision.errors import Exit, InputError, UsageError
from provision.model import Finding, Host, Severity
from provision.model.examination import Examination

Root = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Examine the captured or mounted machine below DIR; no tool is run.")
]
Log = Annotated[str | None, typer.Option(metavar="FILE", help="A log of whichever program; - reads stdin.")]
Image = Annotated[
    str | None, typer.Option(metavar="IMAGE", help="Start this local image once with the GPUs.", autocompletion=images)
]
Strict = Annotated[bool, typer.Option("--strict", help="Count warnings as errors.")]
Fix = Annotated[bool, typer.Option("--fix", help="Print a script that fixes the primary cause; it is not run.")]


def doctor(
    code: Annotated[
        str | None, typer.Argument(metavar="CODE", help="Explain this code, such as KGE-512.", autocompletion=codes)
    ] = None,
    host: o.Host = None,
    root: Root = None,
    log: Log = None,
    image: Image = None,
    strict: Strict = False,
    fix: Fix = False,
    as_json: o.Json = False,
) -> None:
    """Tell what is wrong with a host, or what a code means.

    One primary cause comes first, with what fixes it; then a ladder from the PCI bus to the framework. Exit code 3:
    there is an error, with --strict a warning.

    Examples:
        kgpu-env doctor
        kgpu-env doctor KGE-512
        kgpu-env doctor --host node7.json --log training.log
    """
    if code:
        found = _explained(code)
        print_json(CodeDocument(code=code, text=found)) if as_json else print_lines(found.split("\n"))
        return
    wrong, catalogue, examined = _host(host, root)
    result = api.examine_host(examined, captured=bool(host or root), log=_read(log), image=image, catalogue=catalogue)
    _print(wrong, result, examined, as_json=as_json, fix=fix)
    if wrong or is_broken(result, strict=strict):
        raise typer.Exit(int(Exit.INPUT))


def _explained(code: str) -> str:
    try:
        found = explain(code, load_catalogue())
    except InputError:  # a site's catalogue that cannot be read: its codes are among those to be explained
        found = explain(code, load())
    if not found:
        raise UsageError("KGE-901", f"No code {code!r} is known.", fix="codes look like KGE-301")
    return found


def _host(path: Path | None, root: Path | None) -> tuple[tuple[Finding, ...], Catalogue, Host]:
    """Return what is wrong with the variables and the site's catalogue, in this order, the catalogue, and the host."""
    wrong: list[Finding] = []
    try:
        check_environment()
    except InputError as error:
        wrong.append(_finding(error))
    try:
        catalogue = load_catalogue()
    except InputError as error:
        wrong.append(_finding(error))
        catalogue = load()
    host = api.read_host(path) if path else api.probe_host(root, catalogue=catalogue)
    return tuple(wrong), catalogue, host


def _finding(error: InputError) -> Finding:
    text = f"{error.text} {error.cause}".strip()
    return Finding(code=error.code, severity=Severity.ERROR, text=text, fix=error.fix)


def _read(log: str | None) -> str:
    """Return the text of a log, undecodable bytes replaced.

    Raises:
        InputError: KGE-614, it cannot be read.
    """
    if log is None:
        return ""
    try:
        data = sys.stdin.buffer.read() if log == "-" else Path(log).read_bytes()
    except OSError as error:
        fix = "give the path of a text file, or - for stdin"
        raise InputError("KGE-614", f"The log {log} cannot be read.", cause=error.strerror or "", fix=fix) from error
    return decode(data)


def _print(wrong: tuple[Finding, ...], found: Examination, host: Host, *, as_json: bool, fix: bool) -> None:
    if as_json:
        print_json(
            DoctorDocument(
                findings=(*wrong, *found.findings),
                primary=found.primary,
                steps=found.steps,
                commands=found.commands,
                check=found.check,
                messages=found.messages,
                start=found.start,
            )
        )
    elif fix:
        print_result(script(found.primary, host))
    else:
        print_lines(told(wrong, found))
