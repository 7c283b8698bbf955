"""Steps that install a maker's container toolkit, register its runtime and write its CDI specification. Pure."""

from collections.abc import Iterator
from typing import Final

from provision.catalogue.rows import Repository
from provision.model import GpuVendor, Host
from provision.model.preparation import PrepareStep
from provision.prepare import sources
from provision.prepare.machine import DAEMON, Machine
from provision.prepare.packages import Rows, Wishes, add, at_hand, first, install

SAVED: Final = f"{DAEMON}.before-kgpu-env"


def toolkit_steps(
    machine: Machine, rows: Rows, wishes: Wishes, maker: GpuVendor, *, docker: bool
) -> Iterator[PrepareStep | str]:
    """Yield the steps for one maker's GPUs, and as text what is left to a person.

    Args:
        machine: as it is.
        rows: of the catalogue.
        wishes: what was asked for.
        maker: of the GPUs.
        docker: the engine is, or will be, Docker; others know no runtimes of their own.
    """
    known = first((row for row in rows.repositories if row.maker == maker.maker), machine)
    packages = known.packages if known else (maker.toolkit,)
    what = f"{maker.title}'s container toolkit"
    is_there = any(one.name == maker.toolkit for one in machine.host.toolkits)
    if is_there or set(packages) <= machine.installed:
        yield PrepareStep(name="packages", text=f"{what}: {' '.join(packages)}", state="already")
    elif at_hand(machine, packages):
        yield install(machine, packages, what)
    elif known and wishes.add_repository and known.confidence == "confirmed":
        yield from add(machine, known, wishes.mirror)
        yield install(machine, packages, what)
    else:
        yield _missing(machine, maker, known, wishes)
        return
    if maker.access == "runtime" and docker:
        yield from _register(machine, maker)
    yield from _specification(machine, maker)


def _missing(machine: Machine, maker: GpuVendor, known: Repository | None, wishes: Wishes) -> str:
    """Return that a toolkit is not installed, why, and what to do."""
    if known and known.confidence == "confirmed":
        place = sources.base(known, wishes.mirror)
        more = f"--add-repository takes it from {place}, whose key is checked by its fingerprint"
    elif known:
        more = f"its repository is not confirmed and so not added: {known.note}"
    else:
        more = f"no repository of {maker.title} for {machine.distribution} is known"
    needed = "" if maker.access == "runtime" else "; it is not needed, since engines take the GPU's device nodes"
    where = "in no repository of this machine" if machine.has_lists else "not known to apt, which never read its lists"
    return f"{maker.toolkit} is {where}: {more}{needed}"


def _register(machine: Machine, maker: GpuVendor) -> Iterator[PrepareStep | str]:
    name = maker.container_runtime
    engine = machine.host.engine
    if name in machine.runtimes or (engine and name in engine.runtimes):
        yield PrepareStep(name="register", text=f"Docker knows the runtime {name}", state="already")
        return
    if machine.has_settings:
        yield PrepareStep(name="save", text=f"keep a copy of {DAEMON}", command=("cp", "-p", DAEMON, SAVED))
    program = next(one for one in maker.toolkit_programs if one.endswith("-ctk"))
    yield PrepareStep(
        name="register",
        text=f"tell Docker of the runtime {name}",
        command=(program, "runtime", "configure", "--runtime=docker"),
        undo=f"sudo mv {SAVED} {DAEMON}" if machine.has_settings else f"sudo rm {DAEMON}",
    )
    if machine.systemd:
        reload = ("systemctl", "reload-or-restart", "docker")
        yield PrepareStep(name="reload", text="let Docker read its settings anew; no container stops", command=reload)
    elif machine.live:
        yield 'let Docker read its settings anew: sudo kill -HUP "$(cat /var/run/docker.pid)"'


def _specification(machine: Machine, maker: GpuVendor) -> Iterator[PrepareStep | str]:
    words = tuple(maker.cdi_command.removeprefix("sudo ").split())
    place = next((word.partition("=")[2] for word in words if word.startswith("--output=")), "")
    place = place or f"/etc/cdi/{maker.maker}.json"  # where the maker's tool writes it by itself
    if maker.cdi_kind in machine.cdi and not _is_stale(machine.host):
        yield PrepareStep(name="cdi", text=f"a CDI specification of {maker.cdi_kind}", state="already")
    elif not machine.live or not machine.host.usable_of(maker.maker):
        yield f"no driver drives the GPU yet; when one does, write its CDI specification: {maker.cdi_command}"
    else:
        text = f"write the CDI specification of {maker.cdi_kind}"
        yield PrepareStep(name="cdi", text=text, command=words, undo=f"sudo rm {place}")


def _is_stale(host: Host) -> bool:
    return any(finding.code == "KGE-140" for finding in host.findings)
