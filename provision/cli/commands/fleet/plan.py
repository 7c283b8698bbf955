"""`kgpu-env fleet plan`."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace

from provision.cli import options as o
from provision.cli.commands.fleet.arguments import Hosts, print_answer
from provision.cli.commands.fleet.names import count_of, names_of
from provision.cli.context import load_catalogue
from provision.cli.output import write_file
from provision.cli.parsers import price
from provision.cli.planning import settings
from provision.errors import Exit, UsageError
from provision.fleet.hosts import read_fleet
from provision.fleet.plan import plan as make
from provision.model import encode
from provision.model.fleet import CurvePoint, FleetPlan, PlanWishes, Unserved
from provision.resolve.request import check_request

Output = Annotated[Path | None, typer.Option("-o", "--output", metavar="PLAN", help="Write the plan to this file.")]
MaxImages = Annotated[int | None, typer.Option(metavar="N", min=1, help="At most so many images.")]
ImagePrice = Annotated[
    float | None,
    typer.Option(
        parser=price,
        metavar="N",
        help="An image is worth N nodes that are one release behind their own newest framework.",
    ),
]
SameTensorflow = Annotated[bool, typer.Option("--same-tensorflow", help="One TensorFlow on all nodes.")]
Pin = Annotated[list[str] | None, typer.Option(metavar="NODE=STACK", help="This node gets this image; repeatable.")]


def plan(
    hosts: Hosts,
    output: Output = None,
    max_images: MaxImages = None,
    image_price: ImagePrice = None,
    same_tensorflow: SameTensorflow = False,
    pin: Pin = None,
    force: o.Force = False,
    *,
    stack: o.StackOptions,
    as_json: o.Json = False,
) -> None:
    """Find the smallest set of images that serves all nodes.

    Exit code 4: some node is unserved; the plan is written all the same.

    Examples:
        kgpu-env fleet plan hosts/ -o plan.json
        kgpu-env fleet plan hosts/ --max-images 2
    """
    one = "--host" if stack.host else "--platform" if stack.settings.get("platform") else ""
    if one:
        raise UsageError("KGE-902", f"{one} is for one machine; the nodes are those of HOSTS.", fix=f"leave {one} out")
    settled = settings(stack, as_json=as_json)
    request = check_request(settled.request)
    if request.requirements:
        what = f"{request.requirements[0]} is a file of packages, which the images of a fleet do not take."
        raise UsageError("KGE-229", what, fix="name each package: --package")
    catalogue = load_catalogue(settled.catalogue)
    wishes = PlanWishes(
        max_images=max_images, image_price=image_price, same_tensorflow=same_tensorflow, pins=_pins(pin or [])
    )
    fleet = read_fleet(hosts, catalogue)
    made = make(catalogue, fleet.hosts, request, wishes)
    unserved = tuple(sorted((*made.unserved, *fleet.broken), key=lambda one: one.name))
    made = replace(made, unserved=unserved, warnings=fleet.warnings)
    if output:
        write_file(output, encode(made).encode(), force=force)
    print_answer(made, _lines(made), as_json=as_json)
    if made.unserved:
        raise typer.Exit(int(Exit.NO_STACK))


def _pins(words: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        name, _, image = word.partition("=")
        if not name or not image:
            raise UsageError("KGE-902", f"--pin {word} is not NODE=STACK.", fix="take an image id of fleet plan --json")
        found[name] = image
    return found


def _lines(plan: FleetPlan) -> Iterator[str]:
    every = len(plan.nodes) + len(plan.unserved)
    fewest = len(plan.images) == plan.bound
    best = "fewer are impossible" if fewest else "the best at this price of an image"
    proved = best if plan.optimal else f"fewer than {plan.bound} are impossible"
    served = f"{count_of(len(plan.images), 'image')} for {len(plan.nodes)} of {every} nodes"
    yield f"Plan      {served}{f' ({proved})' if plan.images else ''}"
    for image in plan.images:
        yield f"          {image.tag}"
        yield f"          {image.stack.summary}: {names_of(image.nodes)}"
    yield from _unserved(plan.unserved)
    yield from _curve(plan.curve)


def _unserved(nodes: tuple[Unserved, ...]) -> Iterator[str]:
    groups: dict[str, list[Unserved]] = defaultdict(list)
    for node in nodes:
        groups[node.rule].append(node)
    for rule, some in sorted(groups.items(), key=lambda one: (-len(one[1]), one[0])):
        yield f"Unserved  {rule}, {names_of(tuple(node.name for node in some))}"
        yield f"cause     {some[0].name}: {some[0].cause}"
        if some[0].fix:
            yield f"fix       {some[0].fix}"


def _curve(points: tuple[CurvePoint, ...]) -> Iterator[str]:
    for after in (one for one in points[1:] if one.changes):  # none: fewer images than the price asks for
        upgrades = " and ".join(f"{len(one.nodes)} to {one.driver}" for one in after.changes)
        doubt = "" if after.optimal else f" (perhaps fewer, at least {after.bound})"
        yield f"Upgrade   {upgrades}: {points[0].images} images become {after.images}{doubt}"
