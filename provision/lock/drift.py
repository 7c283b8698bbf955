"""What has changed since a lock was written."""

from typing import NamedTuple

from provision.lock.document import Lock


class Drift(NamedTuple):
    """One thing that is not as it was locked."""

    what: str
    locked: str
    now: str


def drifts(locked: Lock, now: Lock) -> tuple[Drift, ...]:
    """Return the differences between a lock and one written now from the same request, the weightiest first."""
    pairs = [
        ("stack", locked.stack.summary, now.stack.summary),
        ("base digest", locked.stack.base.digest or "none", now.stack.base.digest or "none"),
        ("platform", locked.platform, now.platform),
        ("apt packages", _names(locked), _names(now)),
        ("kgpu-env", locked.version, now.version),
        ("catalogue", locked.catalogue, now.catalogue),
    ]
    found = [Drift(*pair) for pair in pairs if pair[1] != pair[2]]
    found += _wheels(locked, now)
    if not found and locked.plan_digest != now.plan_digest:
        found.append(Drift("plan", locked.plan_digest, now.plan_digest))
    return tuple(found)


def _wheels(locked: Lock, now: Lock) -> list[Drift]:
    old, new = ({wheel.name: wheel for wheel in lock.wheels} for lock in (locked, now))
    found: list[Drift] = []
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before and after and before.version == after.version:
            if not {one.hash for one in before.files} & {one.hash for one in after.files}:
                found.append(Drift(f"files of {name} {before.version}", before.files[0].hash, after.files[0].hash))
            continue
        found.append(Drift(name, before.version if before else "none", after.version if after else "none"))
    return found


def _names(lock: Lock) -> str:
    return ", ".join(f"{one.name}={one.version}" if one.version else one.name for one in lock.apt) or "none"
