"""Building from kgpu.lock: nothing is resolved, and nothing else may be asked for."""

from pathlib import Path

from provision.cli.options import StackOptions
from provision.cli.session import Plan, facts, settings
from provision.errors import UsageError
from provision.model import RUNTIMES, Host

_CHOICES = ("vendor", "host", "fallback", "tensorflow", "python", "base", *RUNTIMES, "backend", "package", "apt")


def locked_plan(options: StackOptions, *, as_json: bool) -> Plan:
    """Return the plan that the lock in this folder holds.

    Raises:
        UsageError: KGE-908, an option asks for something that the lock has decided.
        InputError: KGE-620, there is no lock, or it is none; KGE-625, it does not give the plan that was locked.
    """
    from provision.lock import LOCK_FILE, check_plan, read_lock
    from provision.resolve.request import check_names, check_request

    asked = [name for name in _CHOICES if getattr(options, name)]
    if asked:
        what = f"--locked builds what {LOCK_FILE} says: --{asked[0]} cannot change it."
        raise UsageError("KGE-908", what, fix="leave the option out, or lock anew with kgpu-env lock")
    path = Path(LOCK_FILE)
    found = read_lock(path)
    catalogue = facts(options.catalogue)
    check_plan(catalogue, found, path)
    chosen = settings(options, as_json=as_json)
    check_names(chosen.tag, chosen.network.registries)
    host = Host(architecture=found.platform.partition("-")[0])
    return Plan(catalogue, chosen, host, check_request(found.request), found.stack)


def locked_files() -> dict[str, bytes]:
    """Return what the lock adds to the build."""
    from provision.lock import LOCK_FILE, context_files, read_lock

    return context_files(read_lock(Path(LOCK_FILE)))
