"""What the rest of the program needs from a container engine; `docker.py` has the real one."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, NamedTuple, Protocol, TypeAlias

import msgspec

from provision import model
from provision.model import Mount, Port
from provision.model.base import Value
from provision.model.size import LayerSize

Access = model.Access
OnOutput: TypeAlias = Callable[[bytes], None]


class Context(Value):
    """A build context: the Dockerfile and the files beside it, by relative path."""

    files: dict[str, bytes]  # always has "Dockerfile"
    host_network: bool = False  # its steps share the engine's own loopback
    programs: dict[str, Path] = msgspec.field(default_factory=dict)  # files of this host that the build runs or reads
    cache_from: tuple[str, ...] = ()  # images whose inline caches are looked into; absent ones change nothing
    inline_cache: bool = False  # the image carries what a later build needs to use it so
    no_cache: bool = False  # every step runs
    offline: bool = False  # its steps have no network


class BuildStep(Value):
    """A step of a build, as the engine reports it, more than once while it runs."""

    index: int  # 1-based, in order of first sight
    name: str  # "[stage-1 3/9] RUN apt-get update"
    state: str  # "running", "done", "cached", "failed"
    seconds: float = 0.0
    log: str = ""  # output that arrived with this report
    error: str = ""
    done_bytes: int = 0  # of what it fetches, as the engine or an installer tells; an installer counts whole files
    total_bytes: int = 0  # of what is known by now; 0: nothing is told


class Transfer(Value):
    """How far a pull or a push is."""

    text: str  # the engine's own words about one layer
    done_bytes: int = 0  # of the layers that have begun
    total_bytes: int = 0


class Built(Value):
    """An image that the engine built."""

    image_id: str
    size_bytes: int
    steps_total: int
    steps_cached: int


class Image(Value):
    """What the engine knows of an image."""

    image_id: str
    architecture: str
    size_bytes: int
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    env: tuple[str, ...] = ()
    user: str = ""
    digests: tuple[str, ...] = ()  # NAME@sha256:... of what was pulled or pushed; of all with containerd's image store


class OwnImage(Value):
    """An image that this program built and the engine has."""

    image_id: str
    names: tuple[str, ...]  # none: another image has got them
    size_bytes: int  # with layers that other images share
    created: int  # seconds since the epoch
    plan: str  # its digest


class Run(Value):
    """A command to run once in a container that is removed afterwards, whatever happens."""

    image: str
    command: tuple[str, ...]
    access: Access = msgspec.field(default_factory=Access)
    env: dict[str, str] = msgspec.field(default_factory=dict)
    network: bool = False
    seconds: float = 600.0  # the time limit
    memory_bytes: int | None = None
    user: str | None = None


class Job(Value):
    """A command that a person works with, in a container that is removed at its end."""

    image: str
    command: tuple[str, ...]
    user: str  # "UID:GID"
    directory: str  # where the command starts
    access: Access = msgspec.field(default_factory=Access)
    env: dict[str, str] = msgspec.field(default_factory=dict)
    mounts: dict[str, str] = msgspec.field(default_factory=dict)  # host folder -> folder in the container
    ports: dict[int, int] = msgspec.field(default_factory=dict)  # container's -> this host's, on loopback
    folders: tuple[Mount, ...] = ()  # folders and volumes besides
    published: tuple[Port, ...] = ()  # ports besides
    terminal: bool = False
    stdin: bool = True
    memory_bytes: int | None = None
    shm_bytes: int | None = None  # of /dev/shm; None: the usual size
    name: str = ""  # of the user inside, where the image knows none; empty: none is made
    # Files of `NETWORK`, by name: they are mounted while it lives.
    network: dict[str, bytes] = msgspec.field(default_factory=dict)
    packages: str = ""  # the folder of Python packages that the user may install into; empty: none


class Streams(NamedTuple):
    """File descriptors that a job reads from and writes to."""

    stdin: int = 0
    stdout: int = 1
    stderr: int = 2


class Ran(Value):
    """How the command ended."""

    exit_code: int | None  # None when the time limit ended it
    stdout: str
    stderr: str
    seconds: float
    timed_out: bool = False
    out_of_memory: bool = False
    refused: str = ""  # the engine's own words when it would not start the container


class Engine(Protocol):
    """A container engine.

    Every method raises `provision.errors.EngineError` when the engine stops answering.
    """

    def describe(self) -> model.Engine:
        """Return name, version and abilities of the engine."""

    def free_bytes(self) -> int | None:
        """Return what is free of the disk that images go to, or None where that cannot be seen from here."""

    def image(self, reference: str) -> Image | None:
        """Return what the engine knows of a local image, or None when it has none of that name."""

    def layers(self, reference: str) -> tuple[LayerSize, ...]:
        """Return the layers of a local image, the lowest first. Raises BuildError KGE-408 when there is none."""

    def tag(self, image_id: str, name: str) -> None:
        """Give a name to an image."""

    def remove(self, reference: str) -> None:
        """Remove a name of an image and, when it was its only one, the image."""

    def own_images(self) -> tuple[OwnImage, ...]:
        """Return the images that this program built, the oldest first."""

    def discard(self, image: OwnImage) -> str:
        """Remove an image with all its names; return why the engine keeps it, or ""."""

    def pull(self, reference: str, on_progress: Callable[[Transfer], None]) -> Image:
        """Fetch an image. Raises BuildError naming the registry's answer."""

    def push(self, reference: str, on_progress: Callable[[Transfer], None]) -> None:
        """Send a tagged image to its registry. Raises BuildError."""

    def build(
        self, context: Context, tag: str, on_step: Callable[[BuildStep], None], arguments: Mapping[str, str]
    ) -> Built:
        """Build with BuildKit and tag the image.

        `arguments` are build arguments; proxies go here, since BuildKit keeps them out of the history.
        Interrupted or failed, it leaves neither tag nor running step. Raises BuildError with the log's tail.
        """

    def import_image(self, archive: str, tag: str, labels: Mapping[str, str]) -> Image:
        """Make an image from the root file system in the tar file `archive`."""

    def save(self, reference: str, place: Path) -> None:
        """Write an image to a new file. Raises BuildError KGE-408 when there is none."""

    def load(self, archive: IO[bytes]) -> None:
        """Load the images of an archive, by their names in it. Raises BuildError KGE-410."""

    def run(self, run: Run, on_stdout: OnOutput | None = None) -> Ran:
        """Run a command to its end or its limit; the container is always removed.

        `on_stdout` gets what it prints as it comes, in pieces.
        """

    def run_job(self, job: Job, streams: Streams, on_start: Callable[[], None]) -> int:
        """Run a job to its end and return its exit code; interrupted, it is asked to end. Always removed.

        Raises EngineError when the engine would not start it, BuildError when it has no such image.
        """

    def close(self) -> None:
        """Close the connection."""
