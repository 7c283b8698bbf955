"""What a container gets besides its GPUs: folders, variables, ports, memory; read from the words that people write."""

import re
from typing import Annotated, Final

from provision.model.base import Value
from provision.model.option import Option

_UNITS: Final = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_LARGEST_PORT: Final = 65535
_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"


class Mount(Value):
    """A folder of the host, or a volume of the engine by its name, in a container."""

    source: str
    target: str
    read_only: bool = False

    @property
    def is_volume(self) -> bool:
        """Whether the source is a volume's name."""
        return not self.source.startswith(("/", "."))

    @property
    def words(self) -> str:
        """As `docker run --volume` takes it."""
        return f"{self.source}:{self.target}" + (":ro" if self.read_only else "")


class Port(Value):
    """A port of a container, and where it is reached."""

    inside: int
    outside: int
    address: str = "127.0.0.1"

    @property
    def words(self) -> str:
        """As `docker run --publish` takes it."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{address}:{self.outside}:{self.inside}"


class Shape(Value):
    """What a container of `run`, `shell`, `jupyter` and of the exports gets; each as people write it."""

    mounts: Annotated[
        tuple[str, ...],
        Option(
            flag="--mount",
            help="Folder, or volume by its name, to mount: SOURCE:TARGET or SOURCE:TARGET:ro; repeatable.",
            metavar="SOURCE:TARGET[:ro]",
            kind="mount",
        ),
    ] = ()
    env: Annotated[
        tuple[str, ...],
        Option(
            flag="--env",
            short="-e",
            help="Variable inside: NAME=VALUE, or NAME for the value outside; repeatable.",
            metavar="NAME[=VALUE]",
        ),
    ] = ()
    env_files: Annotated[
        tuple[str, ...],
        Option(flag="--env-file", help="File of NAME=VALUE lines; repeatable.", metavar="FILE", kind="path"),
    ] = ()
    ports: Annotated[
        tuple[str, ...],
        Option(
            flag="--publish",
            short="-p",
            help="Port to reach on this host's loopback: INSIDE, OUTSIDE:INSIDE or ADDRESS:OUTSIDE:INSIDE; repeatable.",
            metavar="[OUTSIDE:]INSIDE",
        ),
    ] = ()
    shm_size: Annotated[
        str | None, Option(flag="--shm-size", help="Size of /dev/shm, by default 1g.", metavar="SIZE")
    ] = None
    memory: Annotated[
        str | None, Option(flag="--memory", help="Limit of the container's memory, such as 16g.", metavar="SIZE")
    ] = None

    @property
    def memory_bytes(self) -> int | None:
        """The limit of memory in bytes."""
        return None if self.memory is None else size(self.memory)

    @property
    def shm_bytes(self) -> int | None:
        """The size of /dev/shm in bytes."""
        return None if self.shm_size is None else size(self.shm_size)

    @property
    def folders(self) -> tuple[Mount, ...]:
        """What is mounted."""
        return tuple(map(mount, self.mounts))

    @property
    def variables(self) -> dict[str, str | None]:
        """The variables; None: the value outside."""
        return dict(map(variable, self.env))

    @property
    def published(self) -> tuple[Port, ...]:
        """The ports."""
        return tuple(map(port, self.ports))

    def check(self) -> None:
        """Raise ValueError, with the words that people need, where a part cannot be read."""
        _ = self.memory_bytes, self.shm_bytes, self.folders, self.variables, self.published

    @property
    def given(self) -> tuple[str, ...]:
        """The names of the parts that were asked for."""
        return tuple(name for name in self.__struct_fields__ if getattr(self, name))


def size(text: str) -> int:
    """Return a size in bytes.

    >>> size("16g"), size("512MB")
    (17179869184, 536870912)
    """
    found = re.fullmatch(r"([1-9][0-9]{0,12})([kmgt]?)(?:i?b)?", text.lower(), flags=re.ASCII)
    if not found:
        raise ValueError(f"{text!r} is no size, such as 16g or 512m.")
    return int(found[1]) * _UNITS[found[2]]


def mount(text: str) -> Mount:
    """Return what SOURCE:TARGET[:ro] names; a source that begins with neither "/" nor "." is a volume.

    >>> mount("/data:/data:ro").read_only, mount("models:/models").is_volume
    (True, True)
    """
    parts = text.split(":")
    well = len(parts) in {2, 3} and parts[0] and parts[1].startswith("/") and parts[2:] in ([], ["ro"], ["rw"])
    if not well or any(sign in text for sign in "\n\r\0,"):
        raise ValueError(f"{text!r} is no mount: write SOURCE:TARGET or SOURCE:TARGET:ro, the target from / on.")
    if parts[0].startswith("~"):
        raise ValueError(f"{text!r}: no shell reads the ~ here; write the whole path.")
    if not parts[0].startswith(("/", ".")) and "/" in parts[0]:
        raise ValueError(f"{text!r}: write ./{parts[0]} for a folder here; a volume's name has no slash.")
    return Mount(source=parts[0], target=parts[1], read_only=parts[2:] == ["ro"])


def variable(text: str) -> tuple[str, str | None]:
    """Return name and value of NAME=VALUE; None: the value outside."""
    name, sign, value = text.partition("=")
    if not re.fullmatch(_NAME, name, flags=re.ASCII) or "\0" in value:
        raise ValueError("a variable is NAME=VALUE, or NAME for the value outside.")  # its text may be a secret
    return name, value if sign else None


def port(text: str) -> Port:
    """Return the port of [[ADDRESS:]OUTSIDE:]INSIDE.

    >>> port("6006"), port("0.0.0.0:80:8000").words
    (Port(inside=6006, outside=6006, address='127.0.0.1'), '0.0.0.0:80:8000')
    """
    found = re.fullmatch(r"(?:(?:\[?([0-9a-fA-F.:]+?)\]?:)?([0-9]{1,5}):)?([0-9]{1,5})", text, flags=re.ASCII)
    inside = int(found[3]) if found else 0
    outside = int(found[2] or inside) if found else 0
    if not found or not (0 < inside <= _LARGEST_PORT and 0 < outside <= _LARGEST_PORT):
        raise ValueError(f"{text!r} is no port: write INSIDE, OUTSIDE:INSIDE or ADDRESS:OUTSIDE:INSIDE.")
    return Port(inside=inside, outside=outside, address=found[1] or "127.0.0.1")


def env_lines(text: str) -> dict[str, str]:
    """Return the variables of an env file: NAME=VALUE lines, # at the beginning of a comment, values as they stand.

    As `docker run --env-file` reads it: no quotes, no substitution. A name alone is left out.

    Raises:
        ValueError: a line is none; its number is named, its text is not.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            name, value = variable(line.strip())
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        if value is not None:
            found[name] = value
    return found
