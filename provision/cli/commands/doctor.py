"""`kgpu-env doctor`."""

from collections.abc import Sequence
from typing import Annotated

import typer

from provision import api
from provision.catalogue import load
from provision.cli import options as o
from provision.cli.app import check_environment
from provision.cli.context import load_catalogue, this_host
from provision.cli.documents import CodeDocument, DoctorDocument
from provision.cli.output import print_json, print_lines, print_result
from provision.doctor import examine, explain
from provision.errors import InputError, UsageError
from provision.model import Finding, Severity


def doctor(
    code: Annotated[str | None, typer.Argument(metavar="CODE", help="Explain this code, such as KGE-512.")] = None,
    as_json: o.Json = False,
) -> None:
    """Tell what is wrong with this host, or what a code means.

    Each finding comes with its mend.
    """
    if code:
        found = _explained(code)
        print_json(CodeDocument(code=code, text=found)) if as_json else print_lines(found.split("\n"))
        return
    findings = _found()
    if as_json:
        print_json(DoctorDocument(findings=findings))
    else:
        _print(findings)


def _explained(code: str) -> str:
    try:
        found = explain(code, load_catalogue())
    except InputError:  # a site's catalogue that cannot be read: its codes are among those to be explained
        found = explain(code, load())
    if not found:
        raise UsageError("KGE-901", f"No code {code!r} is known.", fix="codes look like KGE-301")
    return found


def _found() -> tuple[Finding, ...]:
    """Return what is wrong with the variables, the site's catalogue and the host, in this order."""
    wrong: list[Finding] = []
    try:
        check_environment()
    except InputError as error:
        wrong.append(_finding(error))
    try:
        host = this_host()
    except InputError as error:
        wrong.append(_finding(error))
        host = api.probe_host(catalogue=load())
    return (*wrong, *examine(host))


def _finding(error: InputError) -> Finding:
    text = f"{error.text} {error.cause}".strip()
    return Finding(code=error.code, severity=Severity.ERROR, text=text, fix=error.fix)


def _print(findings: Sequence[Finding]) -> None:
    if not findings:
        print_result("Nothing is wrong with this host.")
    for finding in findings:
        print_lines([f"{finding.code}   {finding.severity}: {finding.text}"])
        if finding.fix:
            print_lines([f"          mend: {finding.fix}"])
