"""`kgpu-env lock`, and building from kgpu.lock: nothing is resolved then, and nothing else may be asked for."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provision import api
from provision.catalogue import Catalogue
from provision.cli import options as o
from provision.cli.documents import DriftDocument
from provision.cli.output import log, print_json, print_result, write_file
from provision.cli.planning import Plan, catalogue_of, log_warnings, plan, settings
from provision.errors import InputError, UsageError
from provision.model import SETTINGS, Host, Request, encode
from provision.resolve.request import check_names, check_request

if TYPE_CHECKING:
    from provision.lock import Lock

Check = Annotated[bool, typer.Option("--check", help="Tell what has changed since the lock was written, and stop.")]

_REQUEST = set(Request.__struct_fields__) - {"gpus"}  # on which GPUs it is proved is not decided by a lock


def lock(*, check: Check = False, force: o.Force = False, stack: o.StackOptions, as_json: o.Json = False) -> None:
    """Write kgpu.lock: the base by digest, every wheel by hash.

    kgpu-env build --locked builds exactly that.
    """
    from provision.lock import LOCK_FILE, read_lock  # noqa: PLC0415 - 8 ms

    path = Path(LOCK_FILE)
    old = read_lock(path) if check else None
    found = plan(stack, as_json=as_json)
    log_warnings(found.stack)
    now = api.lock(
        found.stack,
        found.options,
        machine=found.host.architecture,
        catalogue=found.catalogue,
        log=lambda text: log(f"note      {text}"),
    )
    if old:
        _report(path, old, now, as_json=as_json)
        return
    write_file(path, (encode(now) + "\n").encode(), force=force or _is_unedited(found.catalogue, path))
    log(f"wrote {path}: {_summary(now)}")
    if as_json:
        print_json(now)
    else:
        print_result(now.stack.summary)


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


def locked_plan(options: o.StackOptions, *, as_json: bool) -> Plan:
    """Return the plan that the lock in this folder holds.

    Raises:
        UsageError: KGE-908, an option asks for something that the lock has decided.
        InputError: KGE-620, there is no lock, or it is none; KGE-625, it does not give the plan that was locked.
    """
    from provision.lock import LOCK_FILE, check_plan, pins, read_lock  # noqa: PLC0415 - 8 ms

    decided = [flag for flag, value in _choices(options).items() if value not in (None, "", [])]
    if decided:
        what = f"--locked builds what {LOCK_FILE} says: {decided[0]} cannot change it."
        raise UsageError("KGE-908", what, fix="leave the option out, or lock anew with kgpu-env lock")
    path = Path(LOCK_FILE)
    found = read_lock(path)
    catalogue = catalogue_of(options)
    check_plan(catalogue, found, path)
    chosen = settings(options, as_json=as_json)
    check_names(chosen.tag, chosen.network.registries)
    host = Host(architecture=found.platform.partition("-")[0])
    request = check_request(found.request)
    return Plan(catalogue, chosen, host, request, found.stack, pins=pins(found))


def _choices(options: o.StackOptions) -> dict[str, object]:
    """Return the flags that decide what is in an image, with their values."""
    settled = {SETTINGS[name].option.flag: one for name, one in options.settings.items() if name in _REQUEST}
    return {"--vendor": options.vendor, "--host": options.host, **settled}
