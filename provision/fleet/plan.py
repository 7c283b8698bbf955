"""The plan of a fleet: the smallest set of images that serves all nodes, and what driver upgrades would save."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from provision import __version__
from provision.catalogue import Catalogue
from provision.errors import InputError, UsageError, nearest
from provision.files import read_file
from provision.fleet.choice import Choice, choose, fewer
from provision.fleet.classes import NodeClass, Option, Served, classes_of
from provision.fleet.columns import FAR, Image, images_of
from provision.fleet.images import joined
from provision.lock.make import catalogue_digest
from provision.model import Host, Request, decode
from provision.model.fleet import CurvePoint, FleetImage, FleetNode, FleetPlan, PlanWishes, Unserved, Upgrade

_LIMIT: Final = 256 << 20  # bytes; a plan of 100,000 nodes has 20 MB


def plan(
    catalogue: Catalogue, hosts: Mapping[str, Host], request: Request | None = None, wishes: PlanWishes | None = None
) -> FleetPlan:
    """Return the plan of a fleet: fewest images first, then the newest frameworks, summed over the nodes.

    The same fleet and facts give the same plan.

    Args:
        catalogue: the facts.
        hosts: by the name of the node.
        request: that holds for every node; by default nothing in particular.
        wishes: limits, prices and pins.

    Raises:
        UsageError: KGE-953, a pin names no node.
        InputError: KGE-954, the solver is not installed; KGE-955, it found no plan in its time.
    """
    asked = wishes or PlanWishes()
    for name in asked.pins:
        if name not in hosts:
            fix = nearest(name, list(hosts)) or "name one of its nodes"
            raise UsageError("KGE-953", f"--pin names {name}, which is no node of this fleet.", fix=fix)
    served = Served(catalogue, request or Request())
    classes, unserved = classes_of(served, hosts, asked.pins, upgrades=asked.curve)
    images = images_of(catalogue, classes)
    weights = [len(one.nodes) for one in classes]
    choice = choose(images, weights, asked)
    given = [_best(choice.images, place) for place in range(len(classes))]
    left = [
        _left(name, one, asked) for one, image in zip(classes, given, strict=True) if not image for name in one.nodes
    ]
    built = _built(choice.images, classes, given)
    curve = _curve(images, classes, len(built)) if asked.curve and built and not left else ()
    return FleetPlan(
        version=__version__,
        catalogue=catalogue_digest(catalogue),
        request=served.request,
        images=built,
        nodes=_nodes(classes, given),
        unserved=tuple(sorted((*unserved, *left), key=lambda one: one.name)),
        optimal=choice.optimal,
        bound=choice.bound,
        curve=curve,
    )


def read_plan(path: Path) -> FleetPlan:
    """Return the plan that `fleet plan` wrote.

    Raises:
        InputError: KGE-942, unreadable, or no plan.
    """
    fix = "make one with kgpu-env fleet plan HOSTS -o PLAN"
    try:
        return decode(read_file(path, _LIMIT), FleetPlan)
    except OSError as error:
        raise InputError("KGE-942", f"The plan {path} cannot be read.", cause=error.strerror or "", fix=fix) from error
    except msgspec.MsgspecError as error:
        raise InputError("KGE-942", f"{path} is no plan of a fleet.", cause=str(error), fix=fix) from error


def _best(images: Sequence[Image], place: int) -> Image | None:
    """Return the newest of the chosen images that serve a class."""
    serving = [image for image in images if place in image.behind]
    return min(serving, key=lambda image: (image.behind[place], image.order), default=None)


def _left(name: str, one: NodeClass, wishes: PlanWishes) -> Unserved:
    """Return the wish that leaves a node without an image."""
    rule = "same-tensorflow" if wishes.same_tensorflow else "max-images"
    return Unserved(
        name=name,
        rule=rule,
        cause=f"--{rule} leaves no image for it; alone it would get {one.options[0].stack.summary}",
        fix=f"plan without --{rule}" if wishes.same_tensorflow else "allow one image more",
    )


def _built(
    chosen: Sequence[Image], classes: Sequence[NodeClass], given: Sequence[Image | None]
) -> tuple[FleetImage, ...]:
    """Return the images with their nodes, the one of the most nodes first."""
    found: list[FleetImage] = []
    for image in chosen:
        places = [place for place, one in enumerate(given) if one is image]
        options = [_option(classes[place], image) for place in places]
        if options:
            nodes = tuple(sorted(name for place in places for name in classes[place].nodes))
            stack = joined([option.stack for option in options])
            machine = classes[places[0]].machine
            found.append(FleetImage(id=image.id, tag=options[0].tag, platform=machine, stack=stack, nodes=nodes))
    return tuple(sorted(found, key=lambda one: (-len(one.nodes), one.id)))


def _option(one: NodeClass, image: Image) -> Option:
    return next(option for option in one.options if option.id == image.id)


def _nodes(classes: Sequence[NodeClass], given: Sequence[Image | None]) -> tuple[FleetNode, ...]:
    found = [
        FleetNode(name=name, image=image.id, why=_why(one, image, place))
        for place, (one, image) in enumerate(zip(classes, given, strict=True))
        if image
        for name in one.nodes
    ]
    return tuple(sorted(found, key=lambda node: node.name))


def _why(one: NodeClass, image: Image, place: int) -> str:
    newest, behind = one.options[0].stack, image.behind[place]
    if behind >= FAR:
        return f"another framework than its own newest ({newest.summary}), so that fewer images are enough"
    if behind:
        own = f"{newest.framework.name} {newest.framework.version}"
        many = "releases" if behind > 1 else "release"
        return f"{behind} {many} behind its own newest ({own}), so that fewer images are enough"
    return newest.why or "the newest that is known to work on it"


def _curve(images: Sequence[Image], classes: Sequence[NodeClass], count: int) -> tuple[CurvePoint, ...]:
    """Return the points of the curve, from the plan's own images to the fewest that any upgrade allows."""
    points = [CurvePoint(images=count, upgrades=0)]
    for choice in fewer(images, [len(one.nodes) for one in classes], count):
        point = CurvePoint(
            images=len(choice.images),
            upgrades=choice.upgrades,
            changes=_upgrades(choice, classes),
            optimal=choice.optimal,
            bound=choice.bound,
        )
        points.append(point)
    return tuple(points)


def _upgrades(choice: Choice, classes: Sequence[NodeClass]) -> tuple[Upgrade, ...]:
    found: dict[str, list[str]] = {}
    for place, one in enumerate(classes):
        if not any(place in image.behind for image in choice.images):
            image = min((one for one in choice.images if place in one.upgraded), key=lambda image: image.order)
            found.setdefault(image.upgraded[place], []).extend(one.nodes)
    return tuple(Upgrade(driver=driver, nodes=tuple(sorted(names))) for driver, names in sorted(found.items()))
