"""The lock of each image of a plan, beside it: an image has the same wheels and base however late it is built."""

from pathlib import Path

from msgspec.structs import replace

from provision import api
from provision.catalogue import Catalogue
from provision.errors import InputError
from provision.fleet.building import LOCKS, Order, lock_place
from provision.lock import Lock, check_plan, read_lock
from provision.model import Base, Stack
from provision.model.fleet import FleetImage


def lock_of(image: FleetImage, order: Order, catalogue: Catalogue) -> tuple[Lock, str]:
    """Return the lock of an image, and why it is a new one; empty where it is the one that is there.

    A new one keeps the versions of an earlier one where it can, as `kgpu-env lock` does.

    Args:
        image: of the plan.
        order: tells what was asked for, and how an index is reached.
        catalogue: the plan's.

    Raises:
        InputError: KGE-620, KGE-217, the lock that the plan names is gone, or no lock; KGE-621, KGE-626, no uv, or no
            index answers; KGE-622, the packages do not go with the stack.
    """
    place = lock_place(image, order.folder)
    before = _read(place, needed=bool(image.lock))
    why = _stale(before, image, order, catalogue, place) if before else "there is none"
    if before and not why:
        return before, ""
    held = [f"{one.name}=={one.version}" for one in (before.wheels if before else ()) if one.origin == "index"]
    request, network = order.plan.request, order.options.network
    found = api.complete(image.stack, request, image.platform, network, catalogue=catalogue, held=held)
    options = replace(order.options, request=request)
    return api.lock(found, options, machine=image.platform, catalogue=catalogue), why


def _read(place: Path, *, needed: bool) -> Lock | None:
    if not needed and not place.exists():
        return None
    try:
        return read_lock(place)
    except InputError as error:
        error.fix = f"copy the folder {LOCKS} with the plan; for newer wheels make the plan anew: kgpu-env fleet plan"
        raise


def _stale(lock: Lock, image: FleetImage, order: Order, catalogue: Catalogue, place: Path) -> str:
    """Return why a lock is not the image's; empty where it is."""
    if _bare(lock.stack) != _bare(image.stack) or lock.request != order.plan.request:
        return "the plan has another stack"
    try:
        check_plan(catalogue, lock, place)
    except InputError as error:
        return error.cause
    return ""


def _bare(stack: Stack) -> Stack:
    """Return of a stack what decides what is installed."""
    base = Base(image=stack.base.image)
    return replace(stack, warnings=(), rejected=(), upgrades=(), why="", base=base, local_base=None)
