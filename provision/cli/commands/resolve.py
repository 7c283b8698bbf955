"""`kgpu-env resolve`."""

from typing import Annotated

import typer

from provision.catalogue import Catalogue
from provision.cli import options as o
from provision.cli.app import command
from provision.cli.output import answer_json, answer_lines
from provision.cli.session import facts, plan, tell_warnings
from provision.errors import NoStackError

Explain = Annotated[bool, typer.Option("--explain", help="Tell why each newer candidate fell out.")]


@command
def resolve(*, explain: Explain = False, stack: o.StackOptions, as_json: o.Json = False) -> None:
    """Pick the newest stack that is known to work on the host."""
    try:
        found = plan(stack, as_json=as_json)
    except NoStackError as error:
        if explain and not as_json:
            _print_rejections(error, facts(stack.catalogue))
        raise
    chosen = found.stack
    if explain:
        from msgspec.structs import replace

        from provision.resolve import upgrades

        chosen = replace(chosen, upgrades=upgrades(found.catalogue, found.host, found.request, chosen))
    if as_json:
        answer_json(chosen)
        return
    lines = [f"          {chosen.why}"] if chosen.why else []
    if explain:
        from provision.resolve.explain import explanation, sources

        lines = explanation(chosen)
        lines += sources(found.catalogue, [*lines, *(warning.text for warning in chosen.warnings)])
    answer_lines([f"Chosen    {chosen.summary}", *lines])
    tell_warnings(chosen)


def _print_rejections(error: NoStackError, catalogue: Catalogue) -> None:
    from provision.resolve.explain import rejections, sources

    lines = rejections(error.rejected)
    nearest = (f"Nearest   {change.change} gives {change.gives}" for change in error.changes)
    answer_lines([*lines, *nearest, *sources(catalogue, [*lines, error.why])])
