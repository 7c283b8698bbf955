"""`kgpu-env fleet build`."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from provision import api
from provision.catalogue import Catalogue
from provision.cli import options as o
from provision.cli.commands.fleet.arguments import Plan
from provision.cli.commands.fleet.names import count_of, names_of
from provision.cli.live import Live
from provision.cli.output import check_writable, log, print_json, print_lines, write_file, write_files
from provision.cli.planning import catalogue_of, settings
from provision.engine.build_steps import step_event
from provision.engine.protocol import BuildStep
from provision.fleet.building import Order, build_image, chosen, lock_place, need_machines, with_image
from provision.fleet.locking import lock_of
from provision.fleet.plan import read_plan
from provision.lock import Lock, files_of
from provision.model import BuildOptions, encode
from provision.model.fleet import BuildWishes, FleetBuild, FleetImage

Push = Annotated[
    str, typer.Option(metavar="REGISTRY", help="Push each image there, below its name: registry.example/team.")
]
Bundles = Annotated[
    Path | None, typer.Option("--bundle", metavar="DIR", help="Write each image as a bundle, DIR/ID.tar.")
]
Images = Annotated[list[str] | None, typer.Option("--image", metavar="ID", help="Build this one alone; repeatable.")]


def build(
    plan: Plan,
    push: Push = "",
    bundle: Bundles = None,
    image: Images = None,
    force: o.Force = False,
    *,
    network: o.NetworkOptions,
    talk: o.TalkOptions,  # noqa: ARG001 - read before the command runs
    as_json: o.Json = False,
) -> None:
    """Build each image of a plan once, and push it or write it as a bundle.

    Where each image is goes into the plan, after each build: fleet apply reads it there. Each image gets a lock beside
    the plan, locks/ID: from then on it is built with the same base and wheels.

    Examples:
        kgpu-env fleet build plan.json --push registry.example/team
        kgpu-env fleet build plan.json --bundle bundles/
    """
    catalogue, found = catalogue_of(network), read_plan(plan)
    wishes = BuildWishes(push=push, bundles=str(bundle or ""), images=tuple(image or ()), force=force)
    check_writable(plan, force=True)  # it was read as a plan, and is only added to
    options = BuildOptions(network=settings(network).network)
    order = Order(found, plan.parent, wishes, options)
    images = chosen(found, catalogue, wishes)
    built: list[FleetImage] = []
    with api.engine() as engine:
        need_machines(images, engine.describe())
        locks = {one.id: _locked(one, order, catalogue) for one in images}
        for one in images:
            log(f"Image     {one.tag}, for {names_of(one.nodes)}")
            with Live("Build") as live:
                make = partial(
                    api.build,
                    engine=engine,
                    catalogue=catalogue,
                    log=live.log,
                    detail=live.detail,
                    on_step=partial(_tell, live),
                )
                made = build_image(one, locks[one.id], order, engine, make)
            found = with_image(found, made)
            write_file(plan, encode(found).encode(), force=True)
            built.append(made)
    answer = FleetBuild(plan=str(plan), images=tuple(built))
    if as_json:
        print_json(answer)
    else:
        print_lines(_lines(answer))


def _locked(image: FleetImage, order: Order, catalogue: Catalogue) -> Lock:
    """Return the lock of an image, written beside the plan where it is a new one."""
    lock, why = lock_of(image, order, catalogue)
    if why:
        place = lock_place(image, order.folder)
        write_files(files_of(lock, place), force=True)
        log(f"Lock      {place}, made now: {why}")
    return lock


def _tell(live: Live, step: BuildStep) -> None:
    if event := step_event(step):
        live(event)


def _lines(answer: FleetBuild) -> Iterator[str]:
    yield f"Built     {count_of(len(answer.images), 'image')} of {answer.plan}"
    for one in answer.images:
        yield f"          {one.tag}"
        yield f"          {one.image_id}"
        yield from (f"          {place}" for place in (one.reference, one.bundle) if place)
    if any(not one.reference and not one.bundle for one in answer.images):
        yield "note      an image that is here alone reaches no node: --push REGISTRY or --bundle DIR"
