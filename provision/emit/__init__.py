"""From one plan to the files of other tools: the same image and the right GPU request, each in its own words.

An output is one module with one function from an `Order` to its files, and one line in `EMITTERS`.
"""

from collections.abc import Callable
from typing import Final

from provision.emit.apptainer import apptainer
from provision.emit.compose import compose
from provision.emit.devcontainer import devcontainer
from provision.emit.kubernetes import kubernetes
from provision.emit.order import Order
from provision.emit.quadlet import quadlet
from provision.emit.shell import shell

EMITTERS: Final[dict[str, Callable[[Order], dict[str, str]]]] = {
    "devcontainer": devcontainer,
    "compose": compose,
    "kubernetes": kubernetes,
    "apptainer": apptainer,
    "quadlet": quadlet,
    "shell": shell,
}


def emit(kind: str, order: Order) -> dict[str, str]:
    """Return the files of an output, text by relative path, the one to read first in front.

    The same order always gives the same bytes.

    Args:
        kind: a key of `EMITTERS`.
        order: the plan, the image and how the GPUs reach a container.

    Raises:
        KeyError: there is no such output.
    """
    return EMITTERS[kind](order)


__all__ = ["EMITTERS", "Order", "emit"]
