"""`kgpu-env doctor`."""

from typing import Annotated

import typer

from provision.cli import options as o
from provision.cli.app import command
from provision.cli.documents import CodeDocument, DoctorDocument
from provision.cli.output import answer, answer_json, answer_lines
from provision.errors import UsageError


@command
def doctor(
    code: Annotated[str | None, typer.Argument(metavar="CODE", help="Explain this code, such as KGE-512.")] = None,
    as_json: o.Json = False,
) -> None:
    """Tell what is wrong with this host, or what a code means.

    Each finding comes with its mend.
    """
    from provision.cli.session import facts, this_host
    from provision.doctor import examine, explain

    if code:
        found = explain(code, facts())
        if not found:
            raise UsageError("KGE-901", f"No code {code!r} is known.", fix="codes look like KGE-301")
        answer_json(CodeDocument(code=code, text=found)) if as_json else answer_lines(found.split("\n"))
        return
    findings = examine(this_host())
    if as_json:
        answer_json(DoctorDocument(findings=findings))
        return
    if not findings:
        answer("Nothing is wrong with this host.")
    for finding in findings:
        answer_lines([f"{finding.code}   {finding.severity}: {finding.text}"])
        if finding.fix:
            answer_lines([f"          mend: {finding.fix}"])
