"""`kgpu-env shell`."""

import sys
import time

import typer

from provision import api
from provision.cli import options as o
from provision.cli.commands import work as w
from provision.cli.output import log

# The image's own bash where it has one; the prompt tells where one is.
START = 'export PS1="(kgpu-env) \\w \\$ "; if command -v bash >/dev/null; then exec bash --norc; else exec sh; fi'


def shell(
    *,
    work: w.WorkOptions,
    stack: w.Chosen,
    as_json: o.Json = False,
) -> None:
    """Open a shell in the built environment.

    It gets the GPU, and this folder at /work; exit ends and removes it.

    Examples:
        kgpu-env shell
        kgpu-env shell --mount /data:/data:ro -p 6006 --memory 32g
    """
    w.need_terminal(sys.stderr if as_json else sys.stdout)
    begun = time.monotonic()
    with api.engine() as connected:
        job = w.prepare(connected, work, stack, ("sh", "-c", START), terminal=True)
        log(f"Shell     {job.image}, {w.access_method(job)}; exit ends it")
        code = w.work(connected, job, to=2 if as_json else 1)  # stdout is the document's
    if as_json:
        w.print_end(job, code, begun)
    raise typer.Exit(code)
