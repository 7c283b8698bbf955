"""Working in the environment, for `run`, `shell` and `jupyter`: the image, the GPUs, the project, the user."""

import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from provision.cli import options as o
from provision.cli.groups import Options
from provision.cli.output import answer_json, say
from provision.errors import BuildError, InputError, UsageError
from provision.model import Host, Vendor

if TYPE_CHECKING:
    from provision.engine import protocol
    from provision.engine.protocol import Engine, Job

PROJECT = "/work"
CACHE = "/caches"
HOST_CACHE = ".cache/kgpu-env-containers"  # below the user's home; the same as of exported devcontainers
_ID_LIMIT = 2**32 - 2  # the kernel keeps the last id for "none"


def _user(text: str) -> str:
    found = re.fullmatch(r"([0-9]{1,10})(?::([0-9]{1,10}))?", text, flags=re.ASCII)
    ids = [int(part) for part in found.groups(default=found[1])] if found else []
    if not ids or max(ids) >= _ID_LIMIT:
        raise typer.BadParameter(f"{text!r} is no user: give UID or UID:GID as numbers, such as {os.getuid()}.")
    return f"{ids[0]}:{ids[1]}"


Image = Annotated[str | None, typer.Option(metavar="NAME:TAG", help="This image; otherwise the one of kgpu-env build.")]
User = Annotated[
    str | None, typer.Option(parser=_user, metavar="UID[:GID]", help="The user inside; otherwise the one outside.")
]
Folder = Annotated[
    Path, typer.Option("--project", metavar="DIR", help="The folder that is mounted at /work; otherwise this one.")
]


class WorkOptions(Options):
    """Where something runs, on which GPUs, as whom."""

    image: Image = None
    gpus: o.Gpus = "all"
    user: User = None
    project: Folder = Path()


def prepare(
    engine: "Engine", given: WorkOptions, stack: o.StackOptions, command: tuple[str, ...], *, terminal: bool
) -> "Job":
    """Return the job that the options describe.

    Raises:
        BuildError: KGE-408, the image is not there.
        InputError: KGE-608, the project's folder is none, or the user may not enter it.
    """
    from provision.engine.protocol import Job
    from provision.render.dockerfile import default_tag

    if given.image:
        image, vendor = given.image, None
    else:
        from provision.cli.session import plan

        found = plan(stack)
        image, vendor = found.settings.tag or default_tag(found.stack), found.stack.vendor
    there = engine.image(image)
    if there is None:
        fix = "build it with kgpu-env build (and the same options), or name another with --image"
        raise BuildError("KGE-408", f"there is no image {image} on this engine", fix=fix)
    user = given.user or f"{os.getuid()}:{os.getgid()}"
    # The cache belongs to the user outside: another one inside starts with an empty home each time.
    own = user.partition(":")[0] == str(os.getuid())
    cache = {str(_cache()): CACHE} if own else {}
    return Job(
        image=image,
        command=command,
        user=user,
        directory=PROJECT,
        access=_access(engine, there, vendor, given.gpus),
        env=_environment(CACHE if own else "/tmp"),  # noqa: S108 - a path in the container
        mounts={str(_project(given.project, user)): PROJECT, **cache},
        terminal=terminal,
    )


def _access(engine: "Engine", image: "protocol.Image", vendor: Vendor | None, gpus: str) -> Any:  # noqa: ANN401 - model.Access
    from msgspec.structs import replace

    from provision.cli.session import this_host
    from provision.engine.access import device_access
    from provision.prove import image_vendor

    wanted = vendor or image_vendor(image)
    if wanted is Vendor.CPU:
        return device_access(Host(), Vendor.CPU)
    here = this_host()
    here = replace(here, engine=here.engine or engine.describe())
    access = device_access(here, wanted, gpus)
    if access.method == "none":
        say(f"note      this host has no GPU for a {wanted} image: what runs in it runs on the CPU")
    return access


def _environment(home: str) -> dict[str, str]:
    found = {"HOME": home, "XDG_CACHE_HOME": home, "KERAS_HOME": f"{home}/keras"}
    found |= {"CUDA_CACHE_PATH": f"{home}/cuda", "MIOPEN_USER_DB_PATH": f"{home}/miopen"}
    return found | {key: os.environ[key] for key in ("TERM", "COLORTERM") if key in os.environ}


def _project(folder: Path, user: str) -> Path:
    place = folder.resolve()
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
            why=f"it belongs to {status.st_uid}:{status.st_gid} with mode {status.st_mode & 0o777:o}",
            fix=f"take the owner's ids: --user {status.st_uid}:{status.st_gid}",
        )
    if not status.st_mode & bits & 0o222:
        say(f"note      user {user} cannot write to {place}, which belongs to {status.st_uid}:{status.st_gid}")
    return place


def _cache() -> Path:
    place = Path.home() / HOST_CACHE
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            "KGE-605", f"The cache {place} cannot be made.", why=error.strerror or "", fix="set HOME to your own folder"
        ) from error
    return place


def work(engine: "Engine", job: "Job", *, on_start: Callable[[], None] = lambda: None, to: int = 1) -> int:
    """Run a job on this process's own streams, its output to descriptor `to`, and return its exit code."""
    from provision.engine.protocol import Streams

    sys.stdout.flush()
    return engine.run_job(job, Streams(stdout=to), on_start)


def tell_end(job: "Job", code: int, begun: float) -> None:
    """Print how a job ended that began at `begun` of the monotonic clock, as JSON."""
    from provision.cli.documents import RunDocument

    seconds = round(time.monotonic() - begun, 3)
    answer_json(RunDocument(image=job.image, exit_code=code, seconds=seconds, access=job.access.method))


def need_terminal(out: TextIO) -> None:
    """Raise UsageError KGE-910 where stdin and `out` are no terminal to work at."""
    if not (sys.stdin.isatty() and out.isatty()):
        raise UsageError(
            "KGE-910",
            "A shell needs a terminal, and this is none.",
            fix="run one command: kgpu-env run -- CMD",
        )
