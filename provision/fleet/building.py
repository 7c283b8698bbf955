"""The images of a plan, each built once; pushed to a registry, or written as a bundle for nodes that reach none."""

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from provision import api
from provision.catalogue import Catalogue
from provision.engine.describe import need_machine
from provision.errors import BuildError, InputError, UsageError, nearest
from provision.lock import LOCK_FILE, Lock, pins
from provision.lock.make import catalogue_digest
from provision.model import BuildOptions, BuildResult, Stack
from provision.model import Engine as Described
from provision.model.fleet import BuildWishes, FleetImage, FleetPlan
from provision.model.reference import parse_reference

if TYPE_CHECKING:
    from provision.engine.protocol import Engine

Build = Callable[[Stack, BuildOptions], BuildResult]
LOCKS: Final = "locks"  # the folder beside a plan
_AGAIN: Final = "make the plan again with kgpu-env fleet plan, or name its catalogue with --catalogue"


def chosen(plan: FleetPlan, catalogue: Catalogue, wishes: BuildWishes) -> tuple[FleetImage, ...]:
    """Return the images that are to be built.

    Args:
        plan: as `fleet plan` wrote it.
        catalogue: has to be the plan's.
        wishes: which images, and where they go.

    Raises:
        InputError: KGE-956, the plan is of another catalogue.
        UsageError: KGE-902, there is no such image; KGE-411, the registry's name is none.
    """
    if plan.catalogue != catalogue_digest(catalogue):
        raise InputError("KGE-956", "The plan was made with another catalogue than this one.", fix=_AGAIN)
    known = {image.id: image for image in plan.images}
    for name in wishes.images:
        if name not in known:
            fix = nearest(name, list(known)) or f"one of {', '.join(known)}"
            raise UsageError("KGE-902", f"The plan has no image {name}.", fix=fix)
    found = tuple(image for image in plan.images if not wishes.images or image.id in wishes.images)
    for image in found if wishes.push else ():
        parse_reference(name_of(image, wishes.push))
    return found


def need_machines(images: Collection[FleetImage], builder: Described) -> None:
    """Refuse images that an engine cannot build: nothing is built before that is known.

    Raises:
        BuildError: KGE-930, an image is for another processor.
    """
    for image in images:
        others = " ".join(f"--image {one.id}" for one in images if one.platform == image.platform)
        fix = f"with an engine of such a machine: `DOCKER_HOST=ssh://NODE kgpu-env fleet build PLAN {others}`"
        need_machine(image.platform, builder, subject=f"The image {image.id}", fix=fix)


def name_of(image: FleetImage, registry: str) -> str:
    """Return the name of an image in a registry; without one the plan's own."""
    return f"{registry.rstrip('/')}/{image.tag}" if registry else image.tag


def lock_place(image: FleetImage, folder: Path) -> Path:
    """Return the file of an image's lock, for a plan in a folder."""
    return folder / (image.lock or f"{LOCKS}/{image.id}/{LOCK_FILE}")


class Order(NamedTuple):
    """What holds for each image of a plan.

    Attributes:
        plan: tells what was asked for.
        folder: the plan's, from which bundles are named.
        wishes: where the images go.
        options: network and caches of the builds.
    """

    plan: FleetPlan
    folder: Path
    wishes: BuildWishes
    options: BuildOptions


def build_image(image: FleetImage, lock: Lock, order: Order, engine: "Engine", build: Build) -> FleetImage:
    """Build an image, bring it to where it is fetched from, and return it with that.

    Args:
        image: of the plan.
        lock: its own.
        order: what holds for each of them.
        engine: that builds.
        build: `api.build`, with what it needs beside the stack and its options.

    Raises:
        BuildError, EngineError: as of `api.build`; KGE-404, the registry tells no digest.
        InputError: as of `api.bundle_image`.
    """
    wishes = order.wishes
    tag = name_of(image, wishes.push)
    options = replace(order.options, request=lock.request, pins=pins(lock), tag=tag, push=bool(wishes.push))
    made = build(lock.stack, options)
    if tag != image.tag:
        engine.tag(made.image_id, image.tag)
    same = made.image_id == image.image_id  # else it is elsewhere what it was before
    built = image if same else replace(image, image_id=made.image_id, ids=(), reference="", bundle="")
    ids = [made.image_id, *built.ids]
    if wishes.push:
        if not made.manifest:
            raise BuildError(
                "KGE-404", f"the registry tells no digest of {tag}", fix="see whether it has it: docker pull"
            )
        built = replace(built, reference=f"{parse_reference(tag).name}@{made.manifest}")
        if made.manifest == made.image_id:  # containerd's store: other engines call it by its configuration
            ids.append(api.look_up(built.reference, image.platform, order.options.network).config)
    if wishes.bundles:
        place = Path(wishes.bundles) / f"{image.id}.tar"
        ids += api.bundle_image(
            image.tag, place, platform=image.platform, base=made, known=built.ids, engine=engine, force=wishes.force
        )
        built = replace(built, bundle=os.path.relpath(place, order.folder))
    locked = os.path.relpath(lock_place(image, order.folder), order.folder)
    return replace(built, ids=tuple(dict.fromkeys(ids)), lock=locked)


def with_image(plan: FleetPlan, built: FleetImage) -> FleetPlan:
    """Return the plan with an image that was built."""
    return replace(plan, images=tuple(built if one.id == built.id else one for one in plan.images))
