"""`kgpu-env lock`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provision import library
from provision.cli import options as o
from provision.cli.app import command
from provision.cli.output import answer, answer_json, say, write_file
from provision.cli.session import plan, tell_warnings
from provision.errors import InputError
from provision.model import encode

if TYPE_CHECKING:
    from provision.lock import Lock

Check = Annotated[bool, typer.Option("--check", help="Tell what has changed since the lock was written, and stop.")]


@command
def lock(*, check: Check = False, stack: o.StackOptions, as_json: o.Json = False) -> None:
    """Write kgpu.lock: the base by digest, every wheel by hash.

    kgpu-env build --locked builds exactly that.
    """
    from provision.lock import LOCK_FILE, read_lock

    path = Path(LOCK_FILE)
    old = read_lock(path) if check else None
    found = plan(stack, as_json=as_json)
    tell_warnings(found.stack)
    now = library.lock(
        found.stack,
        found.request,
        machine=found.host.architecture,
        network=found.settings.network,
        catalogue=found.catalogue,
        say=lambda text: say(f"note      {text}"),
    )
    if old:
        _report(path, old, now, as_json=as_json)
        return
    write_file(path, (encode(now) + "\n").encode())
    say(f"wrote {path}: {_told(now)}")
    if as_json:
        answer_json(now)
    else:
        answer(now.stack.summary)


def _told(lock: "Lock") -> str:
    size = sum(max(one.size_bytes or 0 for one in wheel.files) for wheel in lock.wheels)
    base = lock.stack.base.digest or "by name only"
    wheels = f"{len(lock.wheels)} wheels by hash ({size / 1e9:.1f} GB)" if lock.wheels else "no wheels"
    return f"{wheels}, base {base}"


def _report(path: Path, old: "Lock", now: "Lock", *, as_json: bool) -> None:
    from provision.cli.documents import DriftDocument
    from provision.lock import drifts, in_short

    found = drifts(old, now)
    if found:
        raise InputError(
            "KGE-624",
            f"{path} differs from what would be locked now: {in_short(found)}.",
            fix="build what was locked with kgpu-env build --locked, or lock anew with kgpu-env lock",
            log=tuple(map(str, found)),
        )
    if old.catalogue != now.catalogue:
        say("note      the catalogue has changed since; stack and wheels are the same")
    if as_json:
        answer_json(DriftDocument(lock=str(path)))
    else:
        answer(f"{path} is what would be locked now.")
