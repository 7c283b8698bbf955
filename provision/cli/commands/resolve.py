"""`kgpu-env resolve`."""

from typing import Annotated

import typer

from provision.cli import options as o
from provision.cli.app import command
from provision.cli.output import answer, answer_json
from provision.cli.session import Plan, plan, tell_warnings
from provision.errors import NoStackError
from provision.model import Rejection

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
    explain: Explain = False,
    as_json: o.Json = False,
    show_config: o.ShowConfig = False,
) -> None:
    """Pick the newest stack that is known to work on the host."""
    try:
        found = plan(locals())
    except NoStackError as error:
        if explain and not as_json:
            _print_rejections(error.rejected)
        raise
    if as_json:
        answer_json(found.stack)
        return
    tell_warnings(found.stack)
    answer(f"Chosen    {found.stack.summary}")
    if explain:
        _print_rejections(found.stack.rejected)
        answer(f"Upgrade   {_upgrade(found)}")
    elif found.stack.why:
        answer(f"          {found.stack.why}")


def _print_rejections(rejections: tuple[Rejection, ...]) -> None:
    for one in rejections:
        answer(f"Not       {one.candidate}")
        answer(f"          {one.rule}: {one.reason}")
        answer(f"          source: {one.source}")


def _upgrade(found: Plan) -> str:
    from provision.resolve import smallest_upgrade

    better = smallest_upgrade(found.catalogue, found.host, found.request, found.stack)
    if better is None:
        return "no driver upgrade changes this."
    return f"driver {better.driver} or newer gives {better.stack.summary}"
