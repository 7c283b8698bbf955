"""Commands that a person works with in an environment: which image, which GPUs, which folders, whose ids."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

import provision.catalogue as facts
from provision.api.hosts import probe_host
from provision.engine.access import device_access
from provision.errors import InputError
from provision.files import read_file
from provision.model import Access, Host, Mount, Network, Shape, Value, Vendor
from provision.model.inside import (
    CACHE,
    HOST_CACHE,
    PROJECT,
    SCRATCH,
    USER,
    VENV,
    cache_environment,
    network_environment,
    personal_environment,
)
from provision.model.labels import stack_of
from provision.model.shape import env_lines

if TYPE_CHECKING:
    from provision.engine.protocol import Engine, Job


class Work(Value):
    """Where a command runs, on which GPUs, as whom."""

    image: str
    vendor: Vendor | None = None  # None: what the image was made for
    gpus: str = "all"  # or the host's numbers and UUIDs: "0,1"
    user: str | None = None  # "UID:GID" inside; None: this process's
    project: Path = Path()  # the folder that is mounted at /work
    shape: Shape = Shape()  # what the container gets besides
    network: Network = Network()  # how pip inside reaches an index; what is left open is taken from this host


def job(
    work: Work,
    command: tuple[str, ...],
    *,
    engine: "Engine",
    terminal: bool = False,
    catalogue: facts.Catalogue | None = None,
    log: Callable[[str], None] = lambda _: None,
    detail: Callable[[str], None] = lambda _: None,
) -> "Job":
    """Return the job for `engine.run_job`.

    The user's own cache, below HOME, is mounted and made where it is missing; the terminal's TERM and COLORTERM go in.

    Args:
        work: where the command runs.
        command: the program and its arguments.
        engine: has the image.
        terminal: whether a terminal is given to the command.
        catalogue: names GPUs for the probe; by default the one that ships.
        log: gets a line of text about what will not work as one may expect.
        detail: gets a line of text about what of this host's network a container does not get.

    Raises:
        BuildError: KGE-408, the image is not there.
        InputError: KGE-608, the project's folder is none, or the user may not enter it; KGE-605, there can be no cache.
        UsageError: KGE-306, the host has no such GPU.
    """
    from provision.engine.images import no_image  # noqa: PLC0415 - 6 ms
    from provision.engine.protocol import Job  # noqa: PLC0415 - 6 ms with the next
    from provision.prove import image_vendor  # noqa: PLC0415 - 27 ms
    from provision.prove.inside_python import active  # noqa: PLC0415 - as above

    there = engine.image(work.image)
    if there is None:
        raise no_image(work.image)
    wanted = work.vendor or image_vendor(there)
    user = work.user or f"{os.getuid()}:{os.getgid()}"
    # The cache belongs to the user outside: another one inside starts with an empty home each time.
    own = user.partition(":")[0] == str(os.getuid())
    cache = {str(_cache()): CACHE} if own else {}
    reached, proxies = _reached(work.network, detail)
    packages = _packages(there.labels)
    return Job(
        image=work.image,
        command=active(command) if there.env and not stack_of(there.labels) else command,
        # A rootless engine's root is the user outside; every other id inside owns none of their files.
        user="0:0" if own and engine.describe().rootless else user,
        directory=PROJECT,
        access=_access(wanted, work.gpus, engine, catalogue, log),
        env={
            **_environment(CACHE if own else SCRATCH, wanted),
            **network_environment(reached),
            **proxies,
            **_asked(work.shape),
        },
        mounts={str(_project(work.project, user, log)): PROJECT, **cache},
        folders=(*map(_resolved, work.shape.folders), *_uv(there.labels)),
        published=work.shape.published,
        memory_bytes=work.shape.memory_bytes,
        shm_bytes=work.shape.shm_bytes,
        terminal=terminal,
        name=USER,
        network={name.removeprefix("network/"): content for name, content in reached.items()},
        packages=packages,
    )


def _reached(network: Network, detail: Callable[[str], None]) -> tuple[dict[str, bytes], dict[str, str]]:
    """Return the files by which a container reaches package indexes, and the proxies that have no login.

    A variable is seen by whoever may look at a container: a login stays out of it.
    """
    from provision.engine.network import Surroundings, build_network  # noqa: PLC0415 - 3 ms

    try:
        here: Path | None = Path.cwd()
    except OSError:  # it was removed
        here = None
    found = build_network(network, os.environ, Surroundings(folder=here))
    for name in dict.fromkeys(found.left_out):
        detail(f"{name}, which a container cannot reach, is left out")
    closed = [name for name, value in found.arguments.items() if "@" in value]
    if closed:
        names = ", ".join(name for name in closed if name.isupper())
        detail(f"{names}: has a login, and is left out; --env NAME hands it in, for all who may look at the container")
    return found.files, {name: value for name, value in found.arguments.items() if name not in closed}


def _asked(shape: Shape) -> dict[str, str]:
    """Return the variables that were asked for: those of files first."""
    found: dict[str, str] = {}
    for name in shape.env_files:
        try:
            found |= env_lines(read_file(Path(name)).decode())
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            fix = "write NAME=VALUE lines, or name another file with --env-file"
            raise InputError("KGE-604", f"{name} is no file of variables.", cause=why or "", fix=fix) from error
    for name, value in shape.variables.items():
        outside = os.environ.get(name) if value is None else value
        if outside is not None:
            found[name] = outside
    return found


def _resolved(mount: Mount) -> Mount:
    """Return a mount with the whole path of its folder."""
    return mount if mount.is_volume else replace(mount, source=str(Path(mount.source).absolute()))


def _packages(labels: Mapping[str, str]) -> str:
    """Return the folder of packages of an image with an environment of its own."""
    stack = stack_of(labels)
    return f"{VENV}/lib/python{stack.python}/site-packages" if stack and not stack.framework_in_base else ""


def _uv(labels: Mapping[str, str]) -> tuple[Mount, ...]:
    """Return this host's uv, by which pip installs inside."""
    if not _packages(labels):
        return ()
    from provision.lock.uv import find_uv  # noqa: PLC0415 - 9 ms

    try:
        program = find_uv(shutil.which)
    except InputError:  # the image's own pip, where it has one
        return ()
    return (Mount(source=str(Path(program).resolve()), target="/usr/local/bin/uv", read_only=True),)


def _access(
    wanted: Vendor, gpus: str, engine: "Engine", catalogue: facts.Catalogue | None, log: Callable[[str], None]
) -> Access:
    if wanted is Vendor.CPU:
        return device_access(Host(), Vendor.CPU)
    here = probe_host(catalogue=catalogue)
    here = replace(here, engine=here.engine or engine.describe())
    access = device_access(here, wanted, gpus)
    if access.method == "none":
        log(f"this host has no GPU for a {wanted} image: what runs in it runs on the CPU")
    return access


def _environment(home: str, vendor: Vendor) -> dict[str, str]:
    found = {**personal_environment(home), **cache_environment(home, vendor)}
    return found | {key: os.environ[key] for key in ("TERM", "COLORTERM") if key in os.environ}


def _project(folder: Path, user: str, log: Callable[[str], None]) -> Path:
    try:
        place = folder.resolve()
    except OSError:  # the working directory itself was removed
        place = folder
    if not place.is_dir():
        raise InputError("KGE-608", f"{folder} is no folder.", fix="name the project's folder with --project")
    status = place.stat()
    uid, gid = (int(part) for part in user.split(":"))
    # Root inside has no capabilities: it writes to what is root's own, as everybody.
    bits = 0o700 if status.st_uid == uid else 0o070 if status.st_gid == gid else 0o007
    if not status.st_mode & bits & 0o111:
        raise InputError(
            "KGE-608",
            f"user {user} may not enter {place}.",
            cause=f"it belongs to {status.st_uid}:{status.st_gid} with mode {status.st_mode & 0o777:o}",
            fix=f"take the owner's ids: --user {status.st_uid}:{status.st_gid}",
        )
    if not status.st_mode & bits & 0o222:
        log(f"user {user} cannot write to {place}, which belongs to {status.st_uid}:{status.st_gid}")
    return place


def _cache() -> Path:
    place = Path.home() / HOST_CACHE
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            "KGE-605",
            f"The cache {place} cannot be made.",
            cause=error.strerror or "",
            fix="set HOME to your own folder",
        ) from error
    return place
