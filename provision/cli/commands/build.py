"""`kgpu-env build` and `kgpu-env base`."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from provision.cli import options as o
from provision.cli.app import command
from provision.cli.documents import BaseDocument
from provision.cli.output import answer, answer_json, say
from provision.cli.session import Plan, engine, plan, tell_warnings
from provision.model import BuildResult

if TYPE_CHECKING:
    from provision.engine.protocol import Engine

Push = Annotated[bool, typer.Option("--push", help="Push the image to the registry that its tag names.")]


@command
def build(
    vendor: o.Vendor = None,
    host: o.Host = None,
    fallback: o.Fallback = None,
    tensorflow: o.TensorFlow = None,
    python: o.Python = None,
    base: o.Base = None,
    cuda: o.Cuda = None,
    rocm: o.Rocm = None,
    package: o.Package = None,
    apt: o.Apt = None,
    tag: o.Tag = None,
    push: Push = False,
    ca_bundle: o.CaBundle = None,
    profile: o.Profile = None,
    config: o.Config = None,
    as_json: o.Json = False,
    show_config: o.ShowConfig = False,
) -> None:
    """Build the image of the stack that suits the host."""
    found = plan(locals())
    say(f"Stack     {found.stack.summary}")
    tell_warnings(found.stack)
    with engine() as connected:
        result = build_plan(connected, found, push=push)
    if as_json:
        answer_json(result)
        return
    answer(f"{result.tag}")
    answer(result.image_id)


def build_plan(connected: "Engine", found: Plan, *, push: bool = False) -> BuildResult:
    """Build what was planned, with progress on stderr."""
    from provision.build import BuildOrder, build_image
    from provision.cli.progress import Progress
    from provision.engine.network import build_network

    network = build_network(found.settings.network, os.environ)
    for name in network.left_out:
        say(f"note      {name} of this host cannot be reached from a build and is left out")
    order = BuildOrder(
        stack=found.stack,
        request=found.request,
        network=network,
        registries=found.settings.network.registries,
        tag=found.settings.tag,
        push=push,
    )
    progress = Progress()
    try:
        result = build_image(connected, found.catalogue, order, lambda text: say(f"base      {text}"), progress)
    finally:
        progress.close()
    say(f"Build     {summary(result)}")
    return result


def summary(result: BuildResult) -> str:
    """Return a build in one line."""
    cached = f"cached: {result.steps_cached} of {result.steps_total} steps"
    return f"{result.tag}  {result.size_bytes / 1e9:.2f} GB  {result.seconds:.1f} s  ({cached})"


@command
def base(
    suite: Annotated[str, typer.Argument(help="Debian suite.")] = "bookworm",
    tag: Annotated[str | None, typer.Option(metavar="NAME:TAG", help="Name of the image.")] = None,
    as_json: o.Json = False,
) -> None:
    """Make a base image from this machine's apt sources, for hosts without a registry."""
    from provision.build import LOCAL_PREFIX
    from provision.engine.base import make_base

    name = tag or f"{LOCAL_PREFIX}{suite}"
    with engine() as connected:
        image = make_base(connected, suite, name, lambda text: say(f"base      {text}"))
    if as_json:
        answer_json(BaseDocument(tag=name, image_id=image.image_id, size_bytes=image.size_bytes))
    else:
        answer(name)
