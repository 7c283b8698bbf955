"""The base image: one the engine has, else one from its registry, else one made on this machine."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from provision.engine.debian_base import make_base
from provision.engine.protocol import BuildStep, Engine, Transfer
from provision.errors import BuildError
from provision.model import Stack
from provision.model.reference import rewrite

PAUSES = (1.0, 3.0)  # seconds before a registry is asked a second and a third time
# A server that fails, or a connection that broke; not one that was refused, or a name that nobody knows.
_PASSING = re.compile(r"(HTTP )?status( code)?:? 5\d\d|connection reset by peer|\bEOF\b")
_TRIED = "after attempts="  # the engine itself has asked for a layer again and again
LOCAL_PREFIX = "kgpu-env/base:debian-"
PULLING, MAKING = "pulling ", "making "  # how the steps are called in which an image is fetched, or made here


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
    wanted = wanted_base(stack, registries)
    if not again and engine.image(wanted):
        return wanted, False
    local = local_base(stack.local_base or "")
    if not again and stack.local_base and engine.image(local):
        say(f"{wanted} is not here; building on {local}, which was made on this machine")
        return local, True
    try:
        with moving(f"{PULLING}{wanted}", on_step) as told:
            _pull(engine, wanted, say, told)
    except BuildError as error:
        if again or not stack.local_base or error.code != "KGE-402":
            raise
        say(f"{wanted} cannot be pulled ({error.cause}); making an equal base from this machine's apt sources")
        with moving(f"{MAKING}{local}", on_step) as told:
            make_base(engine, stack.local_base, local, lambda text: told(Transfer(text=text)))
        return local, True
    return wanted, False


def _pull(engine: Engine, wanted: str, say: Callable[[str], None], told: Callable[[Transfer], None]) -> None:
    """Fetch an image, and ask again where a registry failed for a moment."""
    for pause in PAUSES:
        try:
            engine.pull(wanted, told)
        except BuildError as error:
            if error.code != "KGE-402" or _TRIED in error.cause or not _PASSING.search(error.cause):
                raise
            say(f"{wanted} was not pulled ({error.cause}); asking again in {pause:g} s")
            time.sleep(pause)
        else:
            return
    engine.pull(wanted, told)


def wanted_base(stack: Stack, registries: Mapping[str, str]) -> str:
    """Return the reference by which a stack's base is pulled."""
    reference = stack.base.image if stack.base.digest is None else f"{stack.base.image}@{stack.base.digest}"
    return rewrite(reference, registries)


def local_base(suite: str) -> str:
    """Return the name of the base that is made on this machine from a Debian suite."""
    return f"{LOCAL_PREFIX}{suite}"


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
