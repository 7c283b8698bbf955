"""From one plan to the files of other tools: the same image and the right GPU request, each in its own words.

An output is one module with one function from an `Order` to its files, and one line in `OUTPUTS`.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from provision.emit.apptainer import apptainer
from provision.emit.compose import compose
from provision.emit.devcontainer import devcontainer
from provision.emit.kubernetes import kubernetes
from provision.emit.order import Order
from provision.emit.quadlet import quadlet
from provision.emit.shell import shell
from provision.model import Value

Writer: TypeAlias = Callable[[Order], dict[str, str]]  # gives text by relative path, the file to read first in front


def _missing(order: Order) -> dict[str, str]:
    """Stand for the function that a row does not name."""
    raise NotImplementedError(order.title)


class Output(Value):
    """What the command line, the goldens and the tests know of an output.

    Raises:
        TypeError: the row lacks its name, or the function that writes its files.
    """

    name: str = ""
    write: Writer = _missing
    builds: bool = False  # its files bring the Dockerfile, and the image is built from it where none is named
    nodes: bool = False  # it can name the nodes of a cluster
    no_memory: str = ""  # why it has no words for a limit of memory; empty: it has

    def __post_init__(self) -> None:
        """Refuse a row that could not be used."""
        if not self.name or self.write is _missing:
            raise TypeError(f"the output {self.name!r} is incomplete: it needs a name and a function")


def table(*rows: Output) -> dict[str, Output]:
    """Return the rows by name.

    Raises:
        TypeError: two have the same name.
    """
    found = {row.name: row for row in rows}
    for row in rows:
        if found[row.name] is not row:
            raise TypeError(f"the output {row.name!r} is there twice")
    return found


OUTPUTS: Final = table(
    Output(name="devcontainer", write=devcontainer, builds=True),
    Output(name="compose", write=compose),
    Output(name="kubernetes", write=kubernetes, nodes=True),
    Output(
        name="apptainer", write=apptainer, no_memory="Apptainer limits memory only where the site has set up cgroups"
    ),
    Output(name="quadlet", write=quadlet),
    Output(name="shell", write=shell),
)


def emit(kind: str, order: Order) -> dict[str, str]:
    """Return the files of an output, text by relative path, the one to read first in front.

    The same order always gives the same bytes.

    Args:
        kind: a key of `OUTPUTS`.
        order: the plan, the image and how the GPUs reach a container.

    Raises:
        KeyError: there is no such output.
    """
    return OUTPUTS[kind].write(order)


__all__ = ["OUTPUTS", "Order", "Output", "emit", "table"]
