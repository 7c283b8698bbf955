"""`kgpu-env jupyter`."""

import os
import sys
import threading
import time
from typing import Annotated

import typer
from msgspec.structs import replace

from provision import api
from provision.cli import options as o
from provision.cli.commands import work as w
from provision.cli.documents import JupyterDocument
from provision.cli.output import log, print_json, print_result
from provision.errors import EngineError, InterruptError

INSIDE = 8888
POLL_SECONDS = 0.3
# Tells apart what is missing from what fails later: 78 is EX_CONFIG of sysexits.h.
MISSING = 78
START = (
    "import importlib.util as u, os, sys\n"
    f"if not u.find_spec('jupyterlab'): sys.exit({MISSING})\n"
    "os.execv(sys.executable, [sys.executable, '-m', 'jupyterlab', *sys.argv[1:]])\n"
)
Port = Annotated[int, typer.Option(min=1, max=65535, metavar="PORT", help="The port on this host's loopback.")]


class Announcement:
    """Tells the address once the server answers; in a thread, while the main one carries the server's output."""

    def __init__(self, image: str, port: int, token: str, *, as_json: bool) -> None:
        self.document = JupyterDocument(
            image=image, port=port, token=token, url=f"http://127.0.0.1:{port}/lab?token={token}"
        )
        self.as_json = as_json
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._wait, daemon=True)

    def start(self) -> None:
        """Begin to wait for the server."""
        self.thread.start()

    def end(self) -> None:
        """Stop waiting."""
        self.ended.set()
        if self.thread.ident is not None:
            self.thread.join()

    def _wait(self) -> None:
        while not self.ended.wait(POLL_SECONDS):
            if self._answers():
                if self.as_json:
                    print_json(self.document)
                else:
                    print_result(f"Jupyter   {self.document.url}")
                return

    def _answers(self) -> bool:
        import http.client  # noqa: PLC0415 - 14 ms

        connection = http.client.HTTPConnection("127.0.0.1", self.document.port, timeout=2)
        try:
            connection.request("GET", "/api", headers={"Authorization": f"token {self.document.token}"})
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):  # not yet
            return False
        finally:
            connection.close()


def jupyter(
    *,
    port: Port = INSIDE,
    work: w.WorkOptions,
    stack: w.Chosen,
    as_json: o.Json = False,
) -> None:
    """Start JupyterLab in the built environment.

    It gets the GPU, and this folder at /work; Ctrl-C ends and removes it.

    Examples:
        kgpu-env jupyter
        kgpu-env jupyter --port 8889 --mount /data:/data:ro
    """
    token = os.urandom(24).hex()
    options = ["--ip=0.0.0.0", f"--port={INSIDE}", "--no-browser", "--allow-root", "--ServerApp.log_level=WARN"]
    begun = time.monotonic()
    with api.engine() as connected:
        job = w.prepare(connected, work, stack, ("python3", "-c", START, *options), terminal=False)
        # Not among the arguments, which every user of the host sees in its list of processes.
        job = replace(job, stdin=False, ports={INSIDE: port}, env={**job.env, "JUPYTER_TOKEN": token})
        log(f"Starting  JupyterLab in {job.image}, {w.access_method(job)}; Ctrl-C ends and removes it")
        announcement = Announcement(job.image, port, token, as_json=as_json)
        try:
            code = w.work(connected, job, on_start=announcement.start, to=2)
        except KeyboardInterrupt:
            seconds = time.monotonic() - begun
            if sys.stderr.isatty():
                log("")  # behind the ^C that the terminal shows
            raise InterruptError(
                "KGE-900", f"Jupyter has ended after {seconds:.0f} s; its container is removed."
            ) from None
        finally:
            announcement.end()
    if code == MISSING:
        fix = "add it: packages: [jupyterlab] in kgpu-env.yaml, or kgpu-env build --package jupyterlab"
        raise EngineError("KGE-309", f"{job.image} has no JupyterLab.", fix=fix)
    if code:
        raise EngineError("KGE-309", f"JupyterLab ended with exit code {code}.", fix="read what it wrote above")
