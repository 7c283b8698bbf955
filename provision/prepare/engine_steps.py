"""Steps that put a container engine on a machine and start it. Pure."""

from collections.abc import Iterator

from provision.catalogue.rows import EnginePackages
from provision.model.preparation import PrepareStep
from provision.prepare.machine import Machine
from provision.prepare.packages import Rows, Wishes, add, at_hand, first, install


def engine_row(machine: Machine, rows: Rows, wishes: Wishes) -> EnginePackages | None:
    """Return the packages of the engine that is there, or that is to be installed.

    A maker's packages are taken where the machine has them, or where its repository may be added.
    """
    if machine.engine:
        return next((row for row in rows.engines if (row.kind, row.name) == (machine.kind, machine.engine)), None)
    best = first(rows.engines, machine)
    if best is None or not best.repository or wishes.add_repository or at_hand(machine, best.packages):
        return best
    return first((row for row in rows.engines if not row.repository), machine)


def engine_steps(machine: Machine, rows: Rows, wishes: Wishes) -> Iterator[PrepareStep | str]:
    """Yield the steps, and as text what is left to a person."""
    row = engine_row(machine, rows, wishes)
    if machine.engine:
        yield PrepareStep(name="engine", text=f"a container engine: {machine.engine}", state="already")
    elif row:
        best = first(rows.engines, machine)
        if best and best is not row:
            yield f"{best.packages[0]} needs --add-repository; without it {row.packages[0]} is taken"
        repository = next((one for one in rows.repositories if one.id == row.repository), None)
        if repository and not at_hand(machine, row.packages):
            yield from add(machine, repository, wishes.mirror)
        yield install(machine, row.packages, "a container engine")
        if row.note:
            yield row.note
    yield from _service(machine, row)


def _service(machine: Machine, row: EnginePackages | None) -> Iterator[PrepareStep | str]:
    if row is None or not row.service or not machine.live or machine.host.engine:
        return
    if not machine.systemd:
        yield f"no systemd runs here: start {row.service} as this machine starts its services"
        return
    yield PrepareStep(
        name="service",
        text=f"start {row.service}, now and with the machine",
        command=("systemctl", "enable", "--now", row.service),
        undo=f"sudo systemctl disable --now {row.service}",
    )
