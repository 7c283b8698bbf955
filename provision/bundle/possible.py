"""What cannot be in a bundle, and why: what is fetched otherwise than as a wheel or from the base."""

from collections.abc import Iterable

from provision.errors import InputError
from provision.lock import Lock, is_source
from provision.model.inventory import DebianPackage
from provision.model.pins import INDEX

_PYTHON = ("ca-certificates", "python3")  # as `templates/dockerfile/base.j2` installs them


def refuse_fetched(lock: Lock) -> None:
    """Raise InputError KGE-222 for a lock with something that its build would fetch or compile."""
    for wheel in lock.wheels:
        if wheel.origin != INDEX:
            raise _refused(f"{wheel.name} comes from an address of its own, {wheel.origin.partition('@')[0]}")
        if is_source(wheel):
            raise _refused(f"there is no wheel of {wheel.name} {wheel.version}, and what compiles it is not locked")
    if lock.request.requirements:
        raise _refused(f"{lock.request.requirements[0]} may name local code, which is not locked")
    if lock.stack.framework_in_base and lock.wheels:
        raise _refused("packages are put into an image that brings its framework, and pip installs those")


def installed_apt(lock: Lock, base: str, found: Iterable[DebianPackage]) -> None:
    """Raise InputError KGE-222 where a Debian package is needed that the base does not have."""
    there = {one.name: one.version for one in found}
    for word in (*(() if lock.stack.python_in_base else _PYTHON), *lock.request.apt):
        name, _, version = word.partition("=")
        if name not in there or version not in {"", there[name]}:
            has = f"it has {there[name]}" if name in there else "it has none"
            fix = "name a base that has it (--base), such as one of your own with these packages"
            raise _refused(f"the Debian package {word} is not in the base {base}: {has}", fix)


def _refused(why: str, fix: str = "leave it out, or build where there is a network and bundle --image") -> InputError:
    return InputError("KGE-222", "This lock cannot be built without a network.", cause=why, fix=fix)
