"""`kgpu-env build`."""

from typing import Annotated

import typer

from provision.cli import options as o
from provision.cli.app import command
from provision.cli.building import build_plan
from provision.cli.locking import locked_files, locked_plan
from provision.cli.output import answer, answer_json, say
from provision.cli.session import engine, plan, tell_warnings

Push = Annotated[bool, typer.Option("--push", help="Push the image to the registry that its tag names.")]


Locked = Annotated[bool, typer.Option("--locked", help="Build what kgpu.lock says, every wheel checked by its hash.")]


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
    locked: Locked = False,
    ca_bundle: o.CaBundle = None,
    profile: o.Profile = None,
    config: o.Config = None,
    as_json: o.Json = False,
    show_config: o.ShowConfig = False,
) -> None:
    """Build the image of the stack that suits the host."""
    found, files = (locked_plan(locals()), locked_files()) if locked else (plan(locals()), {})
    say(f"Stack     {found.stack.summary}")
    tell_warnings(found.stack)
    with engine() as connected:
        result = build_plan(connected, found, push=push, locked=files)
    if as_json:
        answer_json(result)
        return
    answer(f"{result.tag}")
    answer(result.image_id)
