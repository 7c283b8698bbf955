"""`kgpu-env prune`."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from provision import api
from provision.cli import options as o
from provision.cli.context import this_host
from provision.cli.documents import PruneDocument
from provision.cli.output import log, print_json, print_lines
from provision.cli.planning import settings
from provision.errors import Exit, KgpuError
from provision.model import Stack
from provision.model.unused import Unused

DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell what would be removed, and remove nothing.")]


def prune(dry_run: DryRun = False, as_json: o.Json = False) -> None:
    """Remove what this program made and nothing names any more.

    Images without a record, that are not those of the lock or the plan of this folder, records that tell nothing any
    more, and copies that only save time. Images of others stay, those built on top of ours too.

    Examples:
        kgpu-env prune --dry-run
        kgpu-env prune
    """
    from provision.records import state_folder  # noqa: PLC0415 - 5 ms

    names, plans = _needed()
    with api.engine() as engine:
        found = api.unused(names, plans, state_folder(os.environ), engine=engine)
        if not as_json:
            print_lines(_lines(found, dry_run=dry_run))
        kept = {} if dry_run else api.remove_unused(found, engine=engine)
    if as_json:
        print_json(PruneDocument(dry_run=dry_run, found=found, kept=kept))
    for what, why in kept.items():
        log(f"kept      {what}: {why}")
    if kept:
        raise typer.Exit(int(Exit.ENGINE))


def _needed() -> tuple[set[str], set[str]]:
    """Return the names of images, and the digests of plans, that the folder's lock, its project and this host need."""
    from provision.lock import LOCK_FILE, read_lock  # noqa: PLC0415 - 8 ms

    found = settings(o.StackOptions())
    names = {found.tag} if found.tag else set()
    plans: set[str] = set()
    if os.path.lexists(LOCK_FILE):
        lock = read_lock(Path(LOCK_FILE))  # one that cannot be read stops it: what it needs is not known
        plans.add(lock.plan_digest)
        names.add(_tag(lock.stack))
    try:
        names.add(_tag(api.resolve(this_host(), found.request)))
    except KgpuError:  # nothing suits this host, so no plan names an image
        return names, plans
    return names, plans


def _tag(stack: Stack) -> str:
    from provision.render.dockerfile import default_tag  # noqa: PLC0415 - 4 ms

    return default_tag(stack)


def _lines(found: tuple[Unused, ...], *, dry_run: bool) -> Iterator[str]:
    for one in found:
        yield f"{one.bytes / 1e6:>10,.1f} MB  {one.kind:<7} {one.what}: {one.why}"
    total = sum(one.bytes for one in found)
    words = "would be removed" if dry_run else "to be removed"
    shared = ", less what images share" if any(one.kind == "image" for one in found) else ""
    yield f"{total / 1e6:>10,.1f} MB  {words}{shared}" if found else "Nothing: all that is here is still named."
