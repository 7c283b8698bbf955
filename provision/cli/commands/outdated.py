"""`kgpu-env outdated`."""

from pathlib import Path
from typing import TYPE_CHECKING

from provision.cli import options as o
from provision.cli.commands.lock import lock_now
from provision.cli.documents import Outdated, OutdatedDocument
from provision.cli.output import print_json, print_lines

if TYPE_CHECKING:
    from provision.lock import Drift


def outdated(*, stack: o.StackOptions, as_json: o.Json = False) -> None:
    """Tell what is newer than what is locked.

    lock --upgrade takes it; nothing is written here. Without options it asks for what the lock was asked for.

    Examples:
        kgpu-env outdated
    """
    from provision.lock import LOCK_FILE, drifts, read_lock  # noqa: PLC0415 - 8 ms

    path = Path(LOCK_FILE)
    old = read_lock(path)
    found = drifts(old, lock_now(stack, as_json=as_json, locked=old.request))
    if as_json:
        rows = tuple(Outdated(kind=one.kind, what=one.what, locked=one.locked, now=one.now) for one in found)
        print_json(OutdatedDocument(lock=str(path), changes=rows))
        return
    print_lines(_table(found) if found else [f"{path} is what would be locked now."])


def _table(found: "tuple[Drift, ...]") -> list[str]:
    width = max(len(one.what) for one in found)
    told = [f"{one.what:<{width}}  {one.locked or 'not needed'} -> {one.now or 'no longer needed'}" for one in found]
    return [*told, "", "kgpu-env lock --upgrade takes all of it."]
