"""`kgpu-env render`."""

from pathlib import Path
from typing import Annotated

import typer

from provision import api
from provision.cli import options as o
from provision.cli.documents import RenderDocument
from provision.cli.output import is_folder, log, print_json, print_result, write_files
from provision.cli.planning import log_warnings, plan

Output = Annotated[
    str | None,
    typer.Option(
        "-o", "--output", metavar="FILE|DIR", help="Write the Dockerfile, or the whole context into a folder."
    ),
]


def render(*, output: Output = None, force: o.Force = False, stack: o.StackOptions, as_json: o.Json = False) -> None:
    """Write the Dockerfile of the stack.

    In a folder (-o DIR) the whole build context.

    Examples:
        kgpu-env render -o Dockerfile
        kgpu-env render --vendor rocm -o context/
    """
    found = plan(stack, as_json=as_json)
    result = api.render(found.stack, found.options, catalogue=found.catalogue)
    log_warnings(found.stack)
    if output:
        whole = output.endswith("/") or is_folder(Path(output)) or len(result.files) > 1
        files = result.files if whole else {"": result.files["Dockerfile"]}
        write_files({Path(output) / name: content for name, content in files.items()}, force=force)
        log(f"wrote {output}")
    if as_json:
        print_json(RenderDocument(plan_digest=result.digest, tag=result.tag, dockerfile=result.dockerfile))
    elif not output:
        print_result(result.dockerfile)
