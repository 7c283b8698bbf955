"""The base image: one the engine has, else one from its registry, else one made on this machine."""

from collections.abc import Callable, Mapping

from provision.engine.debian_base import make_base
from provision.engine.protocol import Engine
from provision.errors import BuildError
from provision.model import Stack
from provision.model.reference import rewrite

LOCAL_PREFIX = "kgpu-env/base:debian-"


def provide_base(
    engine: Engine, stack: Stack, registries: Mapping[str, str], say: Callable[[str], None]
) -> tuple[str, bool]:
    """Return the reference to build from, and whether it is a base made on this machine.

    Raises:
        BuildError: KGE-402, the registry does not give the image and it cannot be made here; or what
            making it raises.
    """
    reference = stack.base.image if stack.base.digest is None else f"{stack.base.image}@{stack.base.digest}"
    wanted = rewrite(reference, registries)
    if engine.image(wanted):
        return wanted, False
    local = f"{LOCAL_PREFIX}{stack.local_base}"
    if stack.local_base and engine.image(local):
        say(f"{wanted} is not here; building on {local}, which was made on this machine")
        return local, True
    try:
        say(f"pulling {wanted}")
        engine.pull(wanted, say)
    except BuildError as error:
        if not stack.local_base or error.code != "KGE-402":
            raise
        say(f"{wanted} cannot be pulled ({error.cause}); making an equal base from this machine's apt sources")
        make_base(engine, stack.local_base, local, say)
        return local, True
    return wanted, False
