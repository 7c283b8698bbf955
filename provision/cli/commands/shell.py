"""`kgpu-env shell`."""

import sys
import time

import typer

from provision import library
from provision.cli import options as o
from provision.cli import working as w
from provision.cli.app import command
from provision.cli.output import say

# The image's own bash where it has one; the prompt tells where one is.
START = 'export PS1="(kgpu-env) \\w \\$ "; if command -v bash >/dev/null; then exec bash --norc; else exec sh; fi'


@command
def shell(
    *,
    work: w.WorkOptions,
    stack: o.StackOptions,
    as_json: o.Json = False,
) -> None:
    """Open a shell in the built environment.

    It gets the GPU, and this folder at /work; exit ends and removes it.
    """
    w.need_terminal(sys.stderr if as_json else sys.stdout)
    begun = time.monotonic()
    with library.engine() as connected:
        job = w.prepare(connected, work, stack, ("sh", "-c", START), terminal=True)
        say(f"Shell     {job.image}, {w.way(job)}; exit ends it")
        code = w.work(connected, job, to=2 if as_json else 1)  # stdout is the document's
    if as_json:
        w.tell_end(job, code, begun)
    raise typer.Exit(code)
