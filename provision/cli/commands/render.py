"""`kgpu-env render`."""

from pathlib import Path
from typing import Annotated

import typer

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
    """Write the Dockerfile of the stack; in a folder, the whole build context."""
    from provision.render import render as render_plan

    found = plan(stack, as_json=as_json)
    network = found.settings.network
    files: dict[str, bytes] = {}
    if network.ca_bundle or network.index_url or network.extra_index_urls:
        from provision.engine.network import build_network

        files = build_network(network, {}).files  # what was asked for; this host's own settings belong to `build`
    result = render_plan(found.catalogue, found.stack, found.request, network=files)
    tell_warnings(found.stack)
    if output:
        whole = output.endswith("/") or is_folder(Path(output)) or bool(files)
        for name, content in result.files.items() if whole else [("", result.files["Dockerfile"])]:
            write_file(Path(output) / name, content)
        say(f"wrote {output}")
    if as_json:
        from provision.cli.documents import RenderDocument

        answer_json(RenderDocument(plan_digest=result.digest, tag=result.tag, dockerfile=result.dockerfile))
    elif not output:
        answer(result.dockerfile)
