"""From what a machine has to the steps that make it ready. Pure: nothing is looked up, and nothing is done.

No step touches a driver. What is left to a person is a note, never a guess.
"""

from collections.abc import Iterator
from itertools import pairwise

from provision.errors import InputError
from provision.model import GPU_VENDORS, GpuVendor
from provision.model.preparation import Preparation, PrepareStep
from provision.prepare.engine_steps import engine_row, engine_steps
from provision.prepare.machine import Machine
from provision.prepare.packages import Rows, Wishes, update
from provision.prepare.toolkit_steps import toolkit_steps


def plan(machine: Machine, rows: Rows, wishes: Wishes) -> Preparation:
    """Return the steps in order, those that are done already among them.

    Raises:
        InputError: KGE-331, the machine has neither apt nor dnf; KGE-336, a file in the place of one of ours.
    """
    if machine.kind is None:
        named = machine.distribution or "This system"
        fix = "install a container engine and the maker's container toolkit as your distribution does"
        raise InputError("KGE-331", f"{named} is not Debian, Ubuntu, Fedora or of Red Hat's family.", fix=fix)
    parts = tuple(_parts(machine, rows, wishes))
    steps = tuple(one for one in parts if isinstance(one, PrepareStep))
    if not machine.has_lists and any(one.name == "packages" and one.state == "to do" for one in steps):
        steps = _with_lists(steps)
    return Preparation(
        distribution=machine.distribution,
        steps=steps,
        notes=tuple(dict.fromkeys(one for one in parts if isinstance(one, str))),
    )


def _with_lists(steps: tuple[PrepareStep, ...]) -> tuple[PrepareStep, ...]:
    """Put the reading of all lists first; but a key that a known repository lacks comes before it."""
    lists = PrepareStep(name="lists", text="read what the repositories have", command=update())
    pairs = pairwise(steps)
    keys = tuple(
        key for key, then in pairs if key.name == "key" and then.name == "repository" and then.state == "already"
    )
    repairs = tuple(one for one in steps if one.name == "repair")
    return (*repairs, *keys, lists, *(one for one in steps if one not in {*repairs, *keys}))


def _parts(machine: Machine, rows: Rows, wishes: Wishes) -> Iterator[PrepareStep | str]:
    if machine.interrupted:
        finish = ("dpkg", "--configure", "-a")
        yield PrepareStep(name="repair", text="finish what dpkg was stopped in", command=finish)
    yield from engine_steps(machine, rows, wishes)
    row = engine_row(machine, rows, wishes)
    makers = _makers(machine, wishes)
    for maker in makers:
        yield from toolkit_steps(machine, rows, wishes, maker, docker=row is not None and row.name == "docker")
    if not makers:
        yield "no GPU was found, so that no container toolkit is needed; --vendor names a maker all the same"
    yield from _groups(machine, wishes)


def _makers(machine: Machine, wishes: Wishes) -> list[GpuVendor]:
    asked = [GPU_VENDORS[vendor] for vendor in wishes.vendors]
    return asked or [row for row in GPU_VENDORS.values() if machine.host.gpus_of(row.maker)]


def _groups(machine: Machine, wishes: Wishes) -> Iterator[PrepareStep | str]:
    user = wishes.user
    for group in dict.fromkeys(wishes.groups):
        if group not in machine.groups and group != "docker":  # that one comes with the engine
            yield f"there is no group {group} on this machine"
        elif user in machine.groups.get(group, ()):
            yield PrepareStep(name="group", text=f"{user} is in the group {group}", state="already")
        else:
            warning = ", which makes root of whoever wants to be it" if group == "docker" else ""
            yield PrepareStep(
                name="group",
                text=f"put {user} into the group {group}{warning}; from the next login on",
                command=("usermod", "-aG", group, user),
                undo=f"sudo gpasswd -d {user} {group}",
            )
