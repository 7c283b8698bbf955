"""`kgpu-env build`."""

import tempfile
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from provision import api
from provision.cli import options as o
from provision.cli.commands.lock import locked_plan
from provision.cli.live import Live
from provision.cli.origins import check_documents, with_documents
from provision.cli.output import log, print_json, print_result
from provision.cli.planning import Plan, log_warnings, plan
from provision.engine.build_steps import step_event
from provision.engine.protocol import BuildStep, Engine
from provision.model import BuildResult


def build(
    *,
    options: o.BuildOptions,
    stack: o.StackOptions,
    key: o.Key = None,
    force: o.Force = False,
    talk: o.TalkOptions,  # noqa: ARG001 - read before the command runs
    as_json: o.Json = False,
) -> None:
    """Build the image of the stack that suits the host.

    What --sbom and --provenance write is attached to the image in its registry, too, where it is pushed.

    Examples:
        kgpu-env build -r requirements.txt
        kgpu-env build --locked --tag team.example/keras:1 --push
        kgpu-env build --cache-from team.example/keras:1
    """
    check_documents(options, force=force)
    found = plan_to_build(options, stack, as_json=as_json)
    log(f"Stack     {found.stack.summary}")
    log_warnings(found.stack)
    result = with_documents(build_with_progress(found, options), found, options, key=key, force=force)
    if as_json:
        print_json(result)
        return
    print_result(f"{result.tag}")
    print_result(result.image_id)


def plan_to_build(options: o.BuildOptions, stack: o.StackOptions, *, as_json: bool) -> Plan:
    """Return what is to be built: what the lock in this folder holds, or what is resolved for the host."""
    if options.bundle:
        with tempfile.TemporaryDirectory() as folder:
            return locked_plan(stack, as_json=as_json, path=api.copy_lock(options.bundle, Path(folder)))
    return locked_plan(stack, as_json=as_json) if options.locked else plan(stack, as_json=as_json, needed=True)


def build_with_progress(found: Plan, options: o.BuildOptions, engine: Engine | None = None) -> BuildResult:
    """Build what was planned, with progress on stderr; `engine` is by default the first that answers."""
    wanted = replace(found.options, push=options.push, no_cache=options.no_cache, pull=options.pull)
    with Live("Build") as live:

        def on_step(step: BuildStep) -> None:
            event = step_event(step)
            if event:
                live(event)

        build_it = partial(api.build_bundle, options.bundle) if options.bundle else partial(api.build, found.stack)
        result = build_it(
            options=wanted,
            engine=engine,
            catalogue=found.catalogue,
            log=live.log,
            detail=live.detail,
            on_step=on_step,
        )
    log(f"Build     {_summary(result)}")
    return result


def _summary(result: BuildResult) -> str:
    """Return a build in one line."""
    cached = f"cached: {result.steps_cached} of {result.steps_total} steps"
    return f"{result.tag}  {result.size_bytes / 1e9:.2f} GB  {result.seconds:.1f} s  ({cached})"
