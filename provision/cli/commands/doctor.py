"""`kgpu-env doctor`."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import typer

from provision import library
from provision.catalogue import load
from provision.cli import options as o
from provision.cli.app import app, catching, check_environment
from provision.cli.documents import CodeDocument, DoctorDocument
from provision.cli.output import answer, answer_json, answer_lines
from provision.errors import InputError, UsageError
from provision.model import Finding, Severity


@app.command("doctor")
@partial(catching, variables=False)  # what stops the others is what it tells of
def doctor(
    code: Annotated[str | None, typer.Argument(metavar="CODE", help="Explain this code, such as KGE-512.")] = None,
    as_json: o.Json = False,
) -> None:
    """Tell what is wrong with this host, or what a code means.

    Each finding comes with its mend.
    """
    if code:
        found = _explained(code)
        answer_json(CodeDocument(code=code, text=found)) if as_json else answer_lines(found.split("\n"))
        return
    findings = _found()
    if as_json:
        answer_json(DoctorDocument(findings=findings))
    else:
        _tell(findings)


def _explained(code: str) -> str:
    from provision.cli.session import facts
    from provision.doctor import explain

    try:
        found = explain(code, facts())
    except InputError:  # a site's catalogue that cannot be read: its codes are among those to be explained
        found = explain(code, load())
    if not found:
        raise UsageError("KGE-901", f"No code {code!r} is known.", fix="codes look like KGE-301")
    return found


def _found() -> tuple[Finding, ...]:
    """Return what is wrong with the variables, the site's catalogue and the host, in this order."""
    from provision.cli.session import this_host
    from provision.doctor import examine

    wrong: list[Finding] = []
    try:
        check_environment()
    except InputError as error:
        wrong.append(_finding(error))
    try:
        host = this_host()
    except InputError as error:
        wrong.append(_finding(error))
        host = library.probe_host(catalogue=load())
    return (*wrong, *examine(host))


def _finding(error: InputError) -> Finding:
    text = f"{error.what} {error.why}".strip()
    return Finding(code=error.code, severity=Severity.ERROR, text=text, fix=error.fix)


def _tell(findings: Sequence[Finding]) -> None:
    if not findings:
        answer("Nothing is wrong with this host.")
    for finding in findings:
        answer_lines([f"{finding.code}   {finding.severity}: {finding.text}"])
        if finding.fix:
            answer_lines([f"          mend: {finding.fix}"])
