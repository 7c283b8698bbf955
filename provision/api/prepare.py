"""A bare node made ready for containers with GPUs."""

from collections.abc import Callable
from pathlib import Path

import provision.catalogue as facts
from provision.api.hosts import probe_host
from provision.model import Host, Vendor
from provision.model.preparation import Preparation

ROOT = Path("/")


def preparation(
    vendors: tuple[Vendor, ...] = (),
    *,
    host: Host | None = None,
    root: Path | None = None,
    add_repository: bool = False,
    mirror: str = "",
    groups: tuple[str, ...] = (),
    user: str = "",
    catalogue: facts.Catalogue | None = None,
) -> Preparation:
    """Return what would make a machine ready: engine, the maker's toolkit, its runtime, CDI, groups. Nothing is done.

    Args:
        vendors: of the GPUs; by default those that the machine has.
        host: as probed; by default it is.
        root: the folder of another machine, mounted or unpacked; by default this one.
        add_repository: the maker's own signed repository may be added where no other has the packages.
        mirror: an address in place of the makers'.
        groups: that `user` is put into.
        user: a name of the machine.
        catalogue: the facts; by default those that ship.

    Raises:
        InputError: KGE-331, a distribution without apt and dnf; KGE-335, the mirror; KGE-336, a file in the way.
    """
    from provision.prepare import Rows, Wishes, check_mirror, look, plan  # noqa: PLC0415 - 12 ms

    known = catalogue or facts.load()
    wishes = Wishes(vendors, add_repository, check_mirror(mirror) if mirror else "", groups, user)
    rows = Rows(known.prepare.repositories, known.prepare.engines)
    here = host or probe_host(root, catalogue=known)
    return plan(look(root or ROOT, here, rows.packages, rows.files), rows, wishes)


def prepare(
    wanted: Preparation, *, root: Path | None = None, log: Callable[[str], None] = lambda _: None
) -> Preparation:
    """Carry out a preparation, and return what became of its steps.

    Args:
        wanted: as `preparation` returned it.
        root: as there.
        log: hears of each step before it is done.

    Raises:
        EngineError: KGE-330, this is not root; KGE-334, a command failed.
        InputError: KGE-332, KGE-333, the key of a repository; KGE-337, a file cannot be written.
    """
    from provision.prepare import carry_out  # noqa: PLC0415 - 12 ms

    return carry_out(wanted, root or ROOT, log)
