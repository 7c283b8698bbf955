"""What has changed since a lock was written, in the words of `lock --check`."""

from typing import Literal, NamedTuple

from provision.lock.document import Lock

_SHOWN = 12  # digits of a digest that tell two apart
_NONE = "none"


class Drift(NamedTuple):
    """One thing that is not as it was locked. An empty text stands for nothing there."""

    kind: Literal["file", "plan", "wheel"]
    what: str
    locked: str
    now: str

    def __str__(self) -> str:
        locked, now = _short(self.locked), _short(self.now)
        match self.kind:
            case "file":
                return f"{self.what}: the index has another file under the same version (locked {locked}, now {now})"
            case "wheel" if not self.locked:
                return f"{self.what}: now {now}, was not needed"
            case "wheel" if not self.now:
                return f"{self.what}: locked {locked}, no longer needed"
            case _:
                return f"{self.what}: locked {locked}, now {now}"


def drifts(locked: Lock, now: Lock) -> tuple[Drift, ...]:
    """Return the differences between a lock and one written now from the same request, the weightiest first.

    Another catalogue alone is none: it gives the same stack and the same wheels.
    """
    pairs = [
        ("stack", locked.stack.summary, now.stack.summary),
        ("base digest", locked.stack.base.digest or _NONE, now.stack.base.digest or _NONE),
        ("platform", locked.platform, now.platform),
        ("apt packages", _names(locked), _names(now)),
        ("kgpu-env", locked.version, now.version),
    ]
    wheels = _wheels(locked, now)
    found = [one for one in wheels if one.kind == "file"]
    found += [Drift("plan", *pair) for pair in pairs if pair[1] != pair[2]]
    found += [one for one in wheels if one.kind == "wheel"]
    if not found and locked.plan_digest != now.plan_digest:
        found.append(Drift("plan", "Dockerfile", locked.plan_digest, now.plan_digest))
    return tuple(found)


def in_short(found: tuple[Drift, ...]) -> str:
    """Return all differences in one line: "stack, base digest, wheels (20 of another version, 6 new, 1 gone)"."""
    parts = [one.what for one in found if one.kind == "plan"]
    wheels = [one for one in found if one.kind == "wheel"]
    counts = {
        "of another version": sum(bool(one.locked and one.now) for one in wheels),
        "new": sum(not one.locked for one in wheels),
        "gone": sum(not one.now for one in wheels),
        "with another file under the same version": sum(one.kind == "file" for one in found),
    }
    told = ", ".join(f"{count} {words}" for words, count in counts.items() if count)
    return ", ".join([*parts, f"wheels ({told})"] if told else parts)


def _wheels(locked: Lock, now: Lock) -> list[Drift]:
    old, new = ({wheel.name: wheel for wheel in (*lock.wheels, *lock.tools)} for lock in (locked, now))
    found: list[Drift] = []
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before is None or after is None or before.version != after.version:
            found.append(Drift("wheel", name, before.version if before else "", after.version if after else ""))
        elif not {one.hash for one in before.files} & {one.hash for one in after.files}:
            found.append(Drift("file", f"{name} {before.version}", before.files[0].hash, after.files[0].hash))
    return found


def _names(lock: Lock) -> str:
    return ", ".join(f"{one.name}={one.version}" if one.version else one.name for one in lock.apt) or _NONE


def _short(text: str) -> str:
    name, colon, digest = text.partition("sha256:")
    return f"{name}{colon}{digest[:_SHOWN]}" if colon and not name else text
