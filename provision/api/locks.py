"""Locks: a stack with every wheel by its hash and the base by its digest."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import provision.catalogue as facts
from provision import model
from provision.api.candidates import Choice, platform
from provision.api.images import look_up
from provision.errors import BuildError

if TYPE_CHECKING:
    from provision.lock import Lock


def lock(
    choice: Choice,
    options: model.BuildOptions | None = None,
    *,
    machine: str = "x86_64",
    catalogue: facts.Catalogue | None = None,
    log: Callable[[str], None] = lambda _: None,
) -> "Lock":
    """Return the lock of what `choose` found: every wheel by hash, and the base by the digest that its registry tells.

    Local code is not locked: it goes in as it is when the image is built.

    Args:
        choice: the stack and all that is installed; an index was asked for it.
        options: what is put in beside it, and the network: CA bundle, package indexes, proxy and registries.
        machine: the processor that the wheels are for, as the kernel names it.
        catalogue: the facts; by default those that ship.
        log: gets a line of text about why the base has no digest.
    """
    from provision.lock import Pinned, make_lock  # noqa: PLC0415 - 8 ms

    wanted, known = options or model.BuildOptions(), catalogue or facts.load()
    digest = _base_digest(choice.stack, machine, wanted.network, log)
    found = Pinned(choice.wheels or (), choice.tools, platform(known, choice.stack, machine), digest)
    return make_lock(known, choice.stack, wanted.request, found)


def _base_digest(stack: model.Stack, machine: str, network: model.Network, log: Callable[[str], None]) -> str | None:
    """Return the digest of the base in its registry, or None with a word why."""
    try:
        return look_up(stack.base.image, machine, network).digest
    except BuildError as error:
        log(f"the base {stack.base.image} is locked by name only: {error.text}")
        return None
