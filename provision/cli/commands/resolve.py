"""`kgpu-env resolve`."""

from typing import Annotated

import typer

from provision.cli import options as o
from provision.cli.app import command
from provision.cli.output import answer, answer_json
from provision.cli.session import plan, tell_warnings
from provision.errors import NoStackError

Explain = Annotated[bool, typer.Option("--explain", help="Tell why each newer candidate fell out.")]


@command
def resolve(*, explain: Explain = False, stack: o.StackOptions, as_json: o.Json = False) -> None:
    """Pick the newest stack that is known to work on the host."""
    try:
        found = plan(stack, as_json=as_json)
    except NoStackError as error:
        if explain and not as_json:
            _print_rejections(error)
        raise
    chosen = found.stack
    if explain:
        from msgspec.structs import replace

        from provision.resolve import upgrades

        chosen = replace(chosen, upgrades=upgrades(found.catalogue, found.host, found.request, chosen))
    if as_json:
        answer_json(chosen)
        return
    tell_warnings(chosen)
    answer(f"Chosen    {chosen.summary}")
    if explain:
        from provision.resolve.telling import explanation

        answer("\n".join(explanation(chosen)))
    elif chosen.why:
        answer(f"          {chosen.why}")


def _print_rejections(error: NoStackError) -> None:
    from provision.resolve.telling import rejections

    for line in rejections(error.rejected):
        answer(line)
    for change in error.changes:
        answer(f"Nearest   {change.change} gives {change.gives}")
