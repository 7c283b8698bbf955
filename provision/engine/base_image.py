"""The base image: one the engine has, else one from its registry, else one made on this machine."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from provision.engine.debian_base import make_base
from provision.engine.protocol import BuildStep, Engine, Transfer
from provision.errors import BuildError
from provision.model import Stack
from provision.model.reference import rewrite

LOCAL_PREFIX = "kgpu-env/base:debian-"


def provide_base(  # noqa: PLR0913 - the last is for who asks for it
    engine: Engine,
    stack: Stack,
    registries: Mapping[str, str],
    say: Callable[[str], None],
    on_step: Callable[[BuildStep], None],
    *,
    again: bool = False,
) -> tuple[str, bool]:
    """Return the reference to build from, and whether it is a base made on this machine.

    Args:
        engine: gets the base.
        stack: names it.
        registries: mirrors, by the registry that they stand for.
        say: gets a line of text about what is used in its place.
        on_step: hears how far a pull is.
        again: it is pulled though it is here; one that cannot be is an error then.

    Raises:
        BuildError: KGE-402, the registry does not give the image and it cannot be made here; or what
            making it raises.
    """
    reference = stack.base.image if stack.base.digest is None else f"{stack.base.image}@{stack.base.digest}"
    wanted = rewrite(reference, registries)
    if not again and engine.image(wanted):
        return wanted, False
    local = f"{LOCAL_PREFIX}{stack.local_base}"
    if not again and stack.local_base and engine.image(local):
        say(f"{wanted} is not here; building on {local}, which was made on this machine")
        return local, True
    try:
        with moving(f"pulling {wanted}", on_step) as told:
            engine.pull(wanted, told)
    except BuildError as error:
        if again or not stack.local_base or error.code != "KGE-402":
            raise
        say(f"{wanted} cannot be pulled ({error.cause}); making an equal base from this machine's apt sources")
        with moving(f"making {local}", on_step) as told:
            make_base(engine, stack.local_base, local, lambda text: told(Transfer(text=text)))
        return local, True
    return wanted, False


@contextmanager
def moving(name: str, on_step: Callable[[BuildStep], None]) -> Iterator[Callable[[Transfer], None]]:
    """Report a pull, a push or the making of a base as a step of the build: its index is 0."""
    begun = time.monotonic()
    done = total = 0

    def told(one: Transfer) -> None:
        nonlocal done, total
        done, total = one.done_bytes, one.total_bytes
        on_step(BuildStep(index=0, name=name, state="running", log=one.text, done_bytes=done, total_bytes=total))

    on_step(BuildStep(index=0, name=name, state="running"))
    state = "failed"
    try:
        yield told
        state = "done"
    finally:
        seconds = time.monotonic() - begun
        on_step(BuildStep(index=0, name=name, state=state, seconds=seconds, done_bytes=done, total_bytes=total))
