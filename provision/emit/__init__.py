"""From one plan to the files of other tools: the same image and the right GPU request, each in its own words.

An output is one module, with a function of the same name from an `Order` to its files, and one line in `OUTPUTS`.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Final, TypeAlias

from provision.emit.order import Order
from provision.model import Shape, Value

__all__ = ["OUTPUTS", "Order", "Output", "emit", "writer_of"]

Writer: TypeAlias = Callable[[Order], dict[str, str]]  # gives text by relative path, the file to read first in front


class Output(Value):
    """What the command line, the goldens and the tests know of an output."""

    name: str  # of its module, of the function in it, and on the command line
    builds: bool = False  # its files bring the Dockerfile, and the image is built from it where none is named
    nodes: bool = False  # it can name the nodes of a cluster
    lacks: Mapping[str, str] = {}
    # Where its first file goes, each place with the other names that count as the same: the first place where nobody
    # else's file is. None: one place alone, and another's file there is kept.
    places: tuple[tuple[str, ...], ...] = ()


def writer_of(name: str) -> Writer:
    """Return the function that writes an output's files.

    Raises:
        TypeError: the output has no module or no function of its name.
    """
    try:
        found = getattr(import_module(f"{__name__}.{name}"), name, None)
    except ModuleNotFoundError as error:
        raise TypeError(f"the output {name!r} is incomplete: {error}") from error
    if not callable(found):
        raise TypeError(f"the output {name!r} is incomplete: its module has no function {name}")
    write: Writer = found
    return write


_GATE_ALONE: Final = "its files ask for the proof and start no container of yours"
_NO_CONTAINER: Final = dict.fromkeys(Shape.__struct_fields__, _GATE_ALONE)
_HOSTS_OWN: Final = "the host's own is used"
_APPTAINER: Final = {
    "memory": "Apptainer limits memory only where the site has set up cgroups",
    "shm_size": _HOSTS_OWN,
    "ports": _HOSTS_OWN,
}
_CLUSTER: Final = {
    "env_files": "the cluster has no file of this host: kubectl create secret generic NAME --from-env-file=FILE",
    "ports": "a Pod's port is reached by kubectl port-forward, or by a Service of yours",
}
# In the order in which the help names them. A row that is incomplete fails here, when it is imported.
OUTPUTS: Final = {
    one.name: one
    for one in (
        Output(
            name="devcontainer",
            builds=True,
            places=(
                (".devcontainer/devcontainer.json", ".devcontainer.json"),
                (".devcontainer/kgpu-env/devcontainer.json",),
            ),
        ),
        # An override is read by Compose itself: https://docs.docker.com/compose/how-tos/multiple-compose-files/merge/
        Output(
            name="compose",
            places=(
                ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"),
                (
                    "compose.override.yaml",
                    "compose.override.yml",
                    "docker-compose.override.yml",
                    "docker-compose.override.yaml",
                ),
                ("compose.kgpu-env.yaml",),
            ),
        ),
        Output(name="kubernetes", nodes=True, lacks=_CLUSTER),
        Output(name="apptainer", lacks=_APPTAINER),
        Output(name="quadlet"),
        Output(name="shell"),
        Output(name="slurm", lacks=_NO_CONTAINER),
        Output(name="systemd", lacks=_NO_CONTAINER),
        Output(name="ansible", lacks=_NO_CONTAINER),
    )
}
_WRITERS: Final = {name: writer_of(name) for name in OUTPUTS}


def emit(kind: str, order: Order) -> dict[str, str]:
    """Return the files of an output, text by relative path, the one to read first in front.

    The same order always gives the same bytes.

    Args:
        kind: a key of `OUTPUTS`.
        order: the plan, the image and how the GPUs reach a container.

    Raises:
        KeyError: there is no such output.
    """
    return _WRITERS[kind](order)
