"""`kgpu-env render`."""

from pathlib import Path
from typing import Annotated

import typer

from provision import library
from provision.cli import options as o
from provision.cli.app import command
from provision.cli.output import answer, answer_json, is_folder, say, write_file
from provision.cli.session import plan, tell_warnings

Output = Annotated[
    str | None,
    typer.Option(
        "-o", "--output", metavar="FILE|DIR", help="Write the Dockerfile, or the whole context into a folder."
    ),
]


@command
def render(*, output: Output = None, stack: o.StackOptions, as_json: o.Json = False) -> None:
    """Write the Dockerfile of the stack.

    In a folder (-o DIR) the whole build context.
    """
    found = plan(stack, as_json=as_json)
    result = library.render(found.stack, found.request, network=found.settings.network, catalogue=found.catalogue)
    tell_warnings(found.stack)
    if output:
        whole = output.endswith("/") or is_folder(Path(output)) or len(result.files) > 1
        for name, content in result.files.items() if whole else [("", result.files["Dockerfile"])]:
            write_file(Path(output) / name, content)
        say(f"wrote {output}")
    if as_json:
        from provision.cli.documents import RenderDocument

        answer_json(RenderDocument(plan_digest=result.digest, tag=result.tag, dockerfile=result.dockerfile))
    elif not output:
        answer(result.dockerfile)
