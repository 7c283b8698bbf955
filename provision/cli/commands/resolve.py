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
def resolve(
    vendor: o.Vendor = None,
    host: o.Host = None,
    fallback: o.Fallback = None,
    tensorflow: o.TensorFlow = None,
    python: o.Python = None,
    base: o.Base = None,
    cuda: o.Cuda = None,
    rocm: o.Rocm = None,
    profile: o.Profile = None,
    config: o.Config = None,
    catalogue: o.Catalogue = None,
    explain: Explain = False,
    as_json: o.Json = False,
    show_config: o.ShowConfig = False,
) -> None:
    """Pick the newest stack that is known to work on the host."""
    try:
        found = plan(locals())
    except NoStackError as error:
        if explain and not as_json:
            _print_rejections(error)
        raise
    stack = found.stack
    if explain:
        from msgspec.structs import replace

        from provision.resolve import upgrades

        stack = replace(stack, upgrades=upgrades(found.catalogue, found.host, found.request, stack))
    if as_json:
        answer_json(stack)
        return
    tell_warnings(stack)
    answer(f"Chosen    {stack.summary}")
    if explain:
        from provision.resolve.telling import explanation

        answer("\n".join(explanation(stack)))
    elif stack.why:
        answer(f"          {stack.why}")


def _print_rejections(error: NoStackError) -> None:
    from provision.resolve.telling import rejections

    for line in rejections(error.rejected):
        answer(line)
    for change in error.changes:
        answer(f"Nearest   {change.change} gives {change.gives}")
