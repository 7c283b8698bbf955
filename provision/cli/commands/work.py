"""Working in the environment, for `run`, `shell` and `jupyter`: the image, the GPUs, the project, the user."""

import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar, TextIO

import msgspec
import typer
from msgspec.structs import replace

from provision import api
from provision.cli import options as o
from provision.cli.completion import images
from provision.cli.documents import RunDocument
from provision.cli.output import detail, log, print_json
from provision.cli.planning import catalogue_of, plan, settings
from provision.cli.spread import Flags, Folded, Options
from provision.engine.protocol import Engine, Job, Streams
from provision.errors import UsageError

_ID_LIMIT = 2**32 - 2  # the kernel keeps the last id for "none"


def _user(text: str) -> str:
    found = re.fullmatch(r"([0-9]{1,10})(?::([0-9]{1,10}))?", text, flags=re.ASCII)
    ids = [int(part) for part in found.groups(default=found[1])] if found else []
    if not ids or max(ids) >= _ID_LIMIT:
        raise typer.BadParameter(f"{text!r} is no user: give UID or UID:GID as numbers, such as {os.getuid()}.")
    return f"{ids[0]}:{ids[1]}"


Image = Annotated[
    str | None,
    typer.Option(metavar="NAME:TAG", help="This image; otherwise the one of kgpu-env build.", autocompletion=images),
]
User = Annotated[
    str | None, typer.Option(parser=_user, metavar="UID[:GID]", help="The user inside; otherwise the one outside.")
]
Folder = Annotated[
    Path, typer.Option("--project", metavar="DIR", help="The folder that is mounted at /work; otherwise this one.")
]


# The image is there: what it is made of is asked for in `up` and `build`, and only told again here.
Chosen = Annotated[
    o.StackOptions,
    Folded(
        ("gpus", "tag", "profile", "config", "show_config"),
        "The image is the one of `kgpu-env build` with the same options: those that choose it (--vendor, --tensorflow, "
        "--package, --requirements and the others of `kgpu-env build --help`) are taken here, too.",
    ),
]


class WorkOptions(Options):
    """Where something runs, on which GPUs, as whom, and what it gets besides."""

    section: ClassVar[str] = "Container"
    shape: Annotated[dict[str, Any], Flags(group="run")] = msgspec.field(default_factory=dict)
    image: Image = None
    user: User = None
    project: Folder = Path()


def prepare(
    engine: Engine, given: WorkOptions, stack: o.StackOptions, command: tuple[str, ...], *, terminal: bool
) -> Job:
    """Return the job that the options describe, in the image of the stack unless one is named."""
    stack = replace(stack, settings={**stack.settings, **given.shape})
    if given.image:
        settled = settings(stack)
        image, vendor, gpus = given.image, None, settled.request.gpus
    else:
        found = plan(stack)
        settled, image, vendor, gpus = found.settings, found.tag, found.stack.vendor, found.request.gpus
    work = api.Work(
        image=image,
        vendor=vendor,
        gpus=gpus,
        user=given.user,
        project=given.project,
        shape=settled.shape,
        network=settled.network,
    )
    return api.job(
        work,
        command,
        engine=engine,
        terminal=terminal,
        catalogue=catalogue_of(stack),
        log=lambda text: log(f"note      {text}"),
        detail=lambda text: detail(f"note      {text}"),
    )


def access_method(job: Job) -> str:
    """Return how the GPU gets into a job's container, in a word or two."""
    return "no GPU" if job.access.method == "none" else f"GPU by {job.access.method}"


def work(engine: Engine, job: Job, *, on_start: Callable[[], None] = lambda: None, to: int = 1) -> int:
    """Run a job on this process's own streams, its output to descriptor `to`, and return its exit code."""
    sys.stdout.flush()
    return engine.run_job(job, Streams(stdout=to), on_start)


def print_end(job: Job, code: int, begun: float) -> None:
    """Print how a job ended that began at `begun` of the monotonic clock, as JSON."""
    seconds = round(time.monotonic() - begun, 3)
    print_json(RunDocument(image=job.image, exit_code=code, seconds=seconds, access=job.access.method))


def need_terminal(out: TextIO) -> None:
    """Raise UsageError KGE-910 where stdin and `out` are no terminal to work at."""
    if not (sys.stdin.isatty() and out.isatty()):
        raise UsageError(
            "KGE-910",
            "A shell needs a terminal, and this is none.",
            fix="run one command: kgpu-env run -- CMD",
        )
