"""`kgpu-env run`."""

import sys
import time
from typing import Annotated

import typer

from provision import api
from provision.cli import options as o
from provision.cli.commands import work as w
from provision.cli.output import Talk
from provision.errors import UsageError

Words = Annotated[list[str], typer.Argument(metavar="CMD...", help="The command and its arguments, after --.")]


def run(
    words: Words,
    *,
    work: w.WorkOptions,
    stack: w.Chosen,
    as_json: o.Json = False,
) -> None:
    """Run a command in the built environment.

    It gets the GPU, and this folder at /work. Its exit code is the one of kgpu-env.

    Examples:
        kgpu-env run -- python3 train.py --epochs 3
        kgpu-env run --mount /data:/data:ro -e SEED=7 --shm-size 8g -- python3 train.py
        kgpu-env run --image team.example/keras:1 --gpus 0,1 -- nvidia-smi
    """
    if Talk.verbose and ":" in words[0]:
        where = f"-v is --verbose here, as in every command; {words[0]} was taken for the command"
        raise UsageError("KGE-902", "-v mounts nothing.", cause=where, fix=f"`--mount {words[0]}`")
    terminal = sys.stdin.isatty() and sys.stdout.isatty() and not as_json
    begun = time.monotonic()
    with api.engine() as connected:
        job = w.prepare(connected, work, stack, tuple(words), terminal=terminal)
        code = w.work(connected, job, to=2 if as_json else 1)  # stdout is the document's
    if as_json:
        w.print_end(job, code, begun)
    raise typer.Exit(code)
