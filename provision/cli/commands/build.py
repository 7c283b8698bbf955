"""`kgpu-env build`."""

from typing import Annotated

import typer

from provision.cli import options as o
from provision.cli.app import command
from provision.cli.building import build_plan
from provision.cli.locking import locked_files, locked_plan
from provision.cli.output import answer, answer_json, say
from provision.cli.session import plan, tell_warnings

Push = Annotated[bool, typer.Option("--push", help="Push the image to the registry that its tag names.")]
Locked = Annotated[bool, typer.Option("--locked", help="Build what kgpu.lock says, every wheel checked by its hash.")]


@command
def build(*, push: Push = False, locked: Locked = False, stack: o.StackOptions, as_json: o.Json = False) -> None:
    """Build the image of the stack that suits the host."""
    found = locked_plan(stack, as_json=as_json) if locked else plan(stack, as_json=as_json)
    say(f"Stack     {found.stack.summary}")
    tell_warnings(found.stack)
    result = build_plan(found, push=push, locked=locked_files() if locked else {})
    if as_json:
        answer_json(result)
        return
    answer(f"{result.tag}")
    answer(result.image_id)
