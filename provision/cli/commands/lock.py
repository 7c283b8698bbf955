"""`kgpu-env lock`, and building from kgpu.lock: nothing is resolved then, and nothing else may be asked for."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provision import api
from provision.catalogue import Catalogue
from provision.cli import options as o
from provision.cli.documents import DriftDocument
from provision.cli.output import log, print_json, print_result, write_files
from provision.cli.planning import DECIDED, Plan, catalogue_of, log_warnings, plan, settings
from provision.errors import InputError, UsageError
from provision.model import SETTINGS, Host, Request
from provision.resolve.request import check_names, check_request

if TYPE_CHECKING:
    from provision.lock import Lock

Check = Annotated[bool, typer.Option("--check", help="Tell what has changed since the lock was written, and stop.")]
Upgrade = Annotated[bool, typer.Option("--upgrade", help="Take the newest of everything, also of what is locked.")]


def lock(
    *,
    check: Check = False,
    upgrade: Upgrade = False,
    force: o.Force = False,
    stack: o.StackOptions,
    as_json: o.Json = False,
) -> None:
    """Write kgpu.lock: the base by digest, every package by hash.

    The packages are in pylock.toml beside it. kgpu-env build --locked builds exactly that, uv pip sync pylock.toml
    installs the same. What is locked stays where it can, unless it is to be upgraded. --check and --upgrade without
    other options ask for what the lock was asked for.

    Examples:
        kgpu-env lock -r requirements.txt
        kgpu-env lock --upgrade
    """
    from provision.lock import LOCK_FILE, files_of, keep_debian, read_lock  # noqa: PLC0415 - 8 ms

    path = Path(LOCK_FILE)
    old = read_lock(path) if check or (path.exists() and not upgrade) else None
    asked = _asked_before(path) if check or upgrade else None
    now = lock_now(stack, as_json=as_json, held=None if check else old, locked=asked)
    if check and old:
        _report(path, old, now, as_json=as_json)
        return
    now = keep_debian(old, now) if old else now
    files = files_of(now, path)
    write_files(files, force=force or _is_unedited(catalogue_of(stack), path))
    log(f"wrote {' and '.join(map(str, reversed(files)))}: {_summary(now)}")
    if as_json:
        print_json(now)
    else:
        print_result(now.stack.summary)


def lock_now(
    stack: o.StackOptions, *, as_json: bool, held: "Lock | None" = None, locked: Request | None = None
) -> "Lock":
    """Return what would be locked now.

    Args:
        stack: the options.
        as_json: how --show-config would answer.
        held: a lock whose versions stay where they can.
        locked: what a lock was asked for, which holds where no option asks for anything.
    """
    pins = [f"{one.name}=={one.version}" for one in (held.wheels if held else ()) if one.origin == "index"]
    found = plan(stack, as_json=as_json, needed=True, held=pins, locked=locked)
    log_warnings(found.stack)
    return api.lock(
        found.choice or api.Choice(found.stack),
        found.options,
        machine=found.host.architecture,
        catalogue=found.catalogue,
        log=lambda text: log(f"note      {text}"),
    )


def _asked_before(path: Path) -> Request | None:
    """Return what a lock was asked for, or None where there is none that can be read: an upgrade makes another."""
    from provision.lock import read_lock  # noqa: PLC0415 - 8 ms

    try:
        return read_lock(path).request
    except InputError:
        return None


def _is_unedited(catalogue: Catalogue, path: Path) -> bool:
    """Tell whether a lock is as it was written: it tells that by itself, whichever machine wrote it."""
    from provision.lock import check_plan, read_lock  # noqa: PLC0415 - 8 ms

    try:
        check_plan(catalogue, read_lock(path), path)
    except InputError:
        return False
    return True


def _summary(lock: "Lock") -> str:
    size = sum(max(one.size_bytes or 0 for one in wheel.files) for wheel in lock.wheels)
    base = lock.stack.base.digest or "by name only"
    wheels = f"{len(lock.wheels)} wheels by hash ({size / 1e9:.1f} GB)" if lock.wheels else "no wheels"
    return f"{wheels}, base {base}"


def _report(path: Path, old: "Lock", now: "Lock", *, as_json: bool) -> None:
    from provision.lock import drifts, in_short  # noqa: PLC0415 - 8 ms

    found = drifts(old, now)
    if found:
        raise InputError(
            "KGE-624",
            f"{path} differs from what would be locked now: {in_short(found)}.",
            fix="build what was locked with kgpu-env build --locked, or lock anew with kgpu-env lock",
            log=tuple(map(str, found)),
        )
    if old.catalogue != now.catalogue:
        log("note      the catalogue has changed since; stack and wheels are the same")
    if as_json:
        print_json(DriftDocument(lock=str(path)))
    else:
        print_result(f"{path} is what would be locked now.")


def locked_plan(options: o.StackOptions, *, as_json: bool, path: Path | None = None) -> Plan:
    """Return the plan that a lock holds, by default the one in this folder.

    Raises:
        UsageError: KGE-908, an option asks for something that the lock has decided.
        InputError: KGE-620, there is no lock, or it is none; KGE-625, it does not give the plan that was locked.
    """
    from provision.lock import LOCK_FILE, check_plan, pins, read_lock  # noqa: PLC0415 - 8 ms

    decided = [flag for flag, value in _choices(options).items() if value not in (None, "", [])]
    if decided:
        what = f"--locked builds what {LOCK_FILE} says: {decided[0]} cannot change it."
        raise UsageError("KGE-908", what, fix="leave the option out, or lock anew with kgpu-env lock")
    path = path or Path(LOCK_FILE)
    found = read_lock(path)
    catalogue = catalogue_of(options)
    check_plan(catalogue, found, path)
    chosen = settings(options, as_json=as_json)
    check_names(chosen.tag, chosen.network.registries)
    host = Host(architecture=found.platform.partition("-")[0])
    request = check_request(found.request)
    code, context = api.local_pins(api.read_wanted(request)) if request.requirements else ((), {})
    return Plan(catalogue, chosen, host, request, found.stack, pins=(*pins(found), *code), context=context)


def _choices(options: o.StackOptions) -> dict[str, object]:
    """Return the flags that decide what is in an image, with their values."""
    settled = {SETTINGS[name].option.flag: one for name, one in options.settings.items() if name in DECIDED}
    return {"--vendor": options.vendor, "--host": options.host, **settled}
