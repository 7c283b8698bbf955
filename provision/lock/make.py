"""Makes a lock from a plan."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from provision import __version__
from provision.catalogue import Catalogue
from provision.errors import InputError
from provision.lock.document import AptPackage, Lock, Wheel, pins
from provision.model import Base, Request, Stack
from provision.render import Plan, render


class Pinned(NamedTuple):
    """What was found outside the catalogue."""

    wheels: tuple[Wheel, ...]
    tools: tuple[Wheel, ...]
    platform: str
    base_digest: str | None  # None: no registry answered


def make_lock(catalogue: Catalogue, stack: Stack, request: Request, pinned: Pinned) -> Lock:
    """Return the lock of a stack.

    With a digest the base is that image and no other: one that is made locally instead would not be what was locked.
    What only explains the stack (warnings, rejected candidates) is left out, so that the same plan gives the same lock.
    """
    kept = replace(stack, warnings=(), rejected=(), upgrades=(), why="")
    digest = pinned.base_digest
    if digest:
        kept = replace(kept, base=Base(image=stack.base.image, digest=digest), local_base=None)
    plan = render(catalogue, kept, request, pins=pins(pinned))
    return Lock(
        version=__version__,
        catalogue=catalogue_digest(catalogue),
        plan_digest=plan.digest,
        platform=pinned.platform,
        stack=kept,
        request=request,
        wheels=pinned.wheels,
        tools=pinned.tools,
        apt=tuple(_apt(word) for word in request.apt),
    )


def keep_debian(old: Lock, now: Lock) -> Lock:
    """Return a lock with the Debian packages of the one before it, where what they follow from is the same."""
    return replace(now, debian=old.debian) if _system(old) == _system(now) else now


def locked_plan(catalogue: Catalogue, lock: Lock) -> Plan:
    """Return the Dockerfile of a lock, which names its wheels by hash."""
    return render(catalogue, lock.stack, lock.request, pins=pins(lock))


def check_plan(catalogue: Catalogue, lock: Lock, path: Path) -> None:
    """Raise InputError KGE-625 when a lock does not give the plan that it was written for."""
    plan = locked_plan(catalogue, lock)
    if plan.digest == lock.plan_digest:
        return
    why = f"the plan is {plan.digest}, and {lock.plan_digest} was locked"
    if lock.version != __version__:
        why = f"it was written by kgpu-env {lock.version}, and this is {__version__}"
    fix = "lock anew with kgpu-env lock, or build with the version that wrote it"
    raise InputError("KGE-625", f"{path} does not give the Dockerfile that was locked.", cause=why, fix=fix)


def catalogue_digest(catalogue: Catalogue) -> str:
    """Return the sha256 over the catalogue's YAML files, a site's own included."""
    found = hashlib.sha256()
    for folder in (catalogue.directory, catalogue.overlay):
        for path in sorted(folder.glob("*.yaml")) if folder else ():
            found.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"sha256:{found.hexdigest()}"


def _apt(word: str) -> AptPackage:
    name, _, version = word.partition("=")
    return AptPackage(name=name, version=version or None)


def _system(lock: Lock) -> tuple[object, ...]:
    """Return what decides which Debian packages are put in."""
    return lock.stack.base, lock.stack.python_in_base, lock.request.apt, lock.platform
