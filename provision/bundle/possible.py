"""What cannot be in a bundle, and why: what is fetched otherwise than as a wheel or by apt."""

from collections.abc import Collection

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


def lacking(lock: Lock, base: str, found: Collection[DebianPackage]) -> tuple[str, ...]:
    """Return the Debian packages that a lock's build installs and its base does not have, as apt takes them.

    Raises:
        InputError: KGE-222, the base has no Debian packages at all.
    """
    there = {one.name: one.version for one in found}
    words = [word.partition("=") for word in (*(() if lock.stack.python_in_base else _PYTHON), *lock.request.apt)]
    wanted = ["".join(one) for one in words if one[0] not in there or one[2] not in {"", there[one[0]]}]
    if wanted and not there:
        fix = "name a base of Debian's or Ubuntu's (--base)"
        raise _refused(f"the Debian package {wanted[0]} is needed, and the base {base} has no dpkg", fix)
    return tuple(dict.fromkeys(wanted))


def _refused(why: str, fix: str = "leave it out, or build where there is a network and bundle --image") -> InputError:
    return InputError("KGE-222", "This lock cannot be built without a network.", cause=why, fix=fix)
