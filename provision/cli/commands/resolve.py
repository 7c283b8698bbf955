"""`kgpu-env resolve`."""

from typing import Annotated

import typer
from msgspec.structs import replace

from provision.catalogue import Catalogue
from provision.cli import options as o
from provision.cli.output import print_json, print_lines
from provision.cli.planning import catalogue_of, log_warnings, plan
from provision.errors import NoStackError
from provision.resolve import upgrades
from provision.resolve.explain import explanation, rejections, sources

Explain = Annotated[bool, typer.Option("--explain", help="Tell why each newer candidate fell out.")]


def resolve(*, explain: Explain = False, stack: o.StackOptions, as_json: o.Json = False) -> None:
    """Pick the newest stack that is known to work on the host.

    Examples:
        kgpu-env resolve --explain
        kgpu-env resolve --host node7.json --tensorflow 2.18
    """
    try:
        found = plan(stack, as_json=as_json)
    except NoStackError as error:
        if explain and not as_json:
            _print_rejections(error, catalogue_of(stack))
        raise
    chosen = found.stack
    if explain:
        chosen = replace(chosen, upgrades=upgrades(found.catalogue, found.host, found.request, chosen))
    if as_json:
        print_json(chosen)
        return
    lines = [f"          {chosen.why}"] if chosen.why else []
    if explain:
        lines = explanation(chosen)
        lines += sources(found.catalogue, [*lines, *(warning.text for warning in chosen.warnings)])
    print_lines([f"Chosen    {chosen.summary}", *lines])
    log_warnings(chosen)


def _print_rejections(error: NoStackError, catalogue: Catalogue) -> None:
    lines = rejections(error.rejected)
    nearest = (f"Nearest   {change.change} gives {change.gives}" for change in error.changes)
    print_lines([*lines, *nearest, *sources(catalogue, [*lines, error.cause])])
