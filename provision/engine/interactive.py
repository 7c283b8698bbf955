"""A command that a person works with: terminal or pipes, ports, the project's folder; gone when it ends."""

import contextlib
import os
import re
import selectors
import signal
import socket
import termios
import threading
import tty
import uuid
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from docker import APIClient
from docker.errors import APIError, ImageNotFound

from provision.engine.container import CHUNK, create, devices, remove, security
from provision.engine.images import no_image
from provision.engine.protocol import Job, Streams
from provision.engine.sdk import explanation
from provision.engine.session import furnish, handed_in
from provision.engine.stream_demux import HEADER
from provision.errors import EngineError
from provision.model import Port
from provision.model.inside import PIDS, SHARED_MEMORY_GIB

LABEL = "kgpu-env.job"
ERROR_STREAM = 2
STOP_SECONDS = 10  # between asking a command to end and ending it
_PORT_TAKEN = re.compile(r"port is already allocated|address already in use")


class ReaderGoneError(Exception):
    """Whoever read our output has gone. As a BrokenPipeError it would look like the engine's lost connection."""


def body(job: Job, size: os.terminal_size | None = None) -> dict[str, Any]:
    """Return the request that creates the container: Docker's `ContainerCreate`.

    Args:
        job: what is to run.
        size: of the terminal that the job is given.
    """
    own = (Port(inside=inside, outside=outside) for inside, outside in job.ports.items())
    ports: dict[str, list[dict[str, str]]] = {}
    for one in (*own, *job.published):
        ports.setdefault(f"{one.inside}/tcp", []).append({"HostIp": one.address, "HostPort": str(one.outside)})
    gpu_config = devices(job.access)
    mounts: list[dict[str, Any]] = [
        {"Type": "bind", "Source": source, "Target": target} for source, target in job.mounts.items()
    ]
    mounts += [
        {
            "Type": "volume" if one.is_volume else "bind",
            "Source": one.source,
            "Target": one.target,
            "ReadOnly": one.read_only,
        }
        for one in job.folders
    ]
    # From Docker 23 on; what runs finds a size before anything can be resized.
    console = {"ConsoleSize": [size.lines, size.columns]} if size else {}
    limits = {"Memory": job.memory_bytes, "MemorySwap": job.memory_bytes} if job.memory_bytes else {}
    return {
        "Image": job.image,
        "Cmd": list(job.command),
        "Entrypoint": [],  # an image's own entry point could do anything but the command
        "Env": [f"{key}={value}" for key, value in {**job.access.env, **job.env}.items()],
        "Labels": {LABEL: "1"},
        "WorkingDir": job.directory,
        "User": job.user,
        "Tty": job.terminal,
        "OpenStdin": job.stdin,
        "StdinOnce": job.stdin,  # the end of our input is the end of its input
        "ExposedPorts": {port: {} for port in ports},
        "HostConfig": {
            "Init": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": security(job.access),
            "PidsLimit": PIDS,
            "ShmSize": job.shm_bytes or SHARED_MEMORY_GIB << 30,
            "PortBindings": ports,
            "LogConfig": {"Type": "none"},  # the output is read as it comes; a copy could fill the disk
            **console,
            **limits,
            **gpu_config,
            "Mounts": [*gpu_config["Mounts"], *mounts],
        },
    }


def run_job(api: APIClient, job: Job, streams: Streams, on_start: Callable[[], None]) -> int:
    """Run a job to its end; see `DockerEngine.run_job`."""
    ident = f"kgpu-env-{uuid.uuid4().hex}"
    try:
        with handed_in(job) as reached:
            create(api, body(reached, os.get_terminal_size(streams.stdout) if job.terminal else None), ident)
            furnish(api, ident, reached)
            with _attached(api, ident) as connection:
                api.start(ident)
                with _sized(api, ident, job, streams):
                    on_start()
                    with _raw(job, streams):
                        _relay(connection, job, streams)
                return int(api.wait(ident)["StatusCode"])
    except ImageNotFound as error:
        raise no_image(job.image, explanation(error)) from error
    except APIError as error:
        raise _refused(explanation(error), job) from error
    except KeyboardInterrupt:
        _stop(api, ident)
        raise
    finally:
        remove(api, ident)


def _refused(why: str, job: Job) -> EngineError:
    if _PORT_TAKEN.search(why):
        taken = ", ".join(str(port) for port in (*job.ports.values(), *(one.outside for one in job.published)))
        fix = "take another with --port or --publish, or end what listens there (ss -ltnp tells)"
        return EngineError("KGE-307", f"port {taken} of this host is in use", cause=why, fix=fix)
    if "bind source path does not exist" in why:
        missing = why.rpartition(": ")[2]
        if os.path.exists(missing):  # noqa: PTH110 - where the engine says it is not
            text = f"the engine does not see {missing}, which is here: it has a file system of its own"
            return EngineError("KGE-308", text, cause=why, fix="kgpu-env doctor tells what kind of engine it is")
        fix = "make the folder, or correct --mount SOURCE:TARGET (run.mounts in kgpu-env.yaml)"
        return EngineError("KGE-308", f"there is no folder {missing} to mount", cause=why, fix=fix)
    fix = "kgpu-env doctor tells what this host lacks; kgpu-env verify tells why a GPU does not arrive"
    return EngineError("KGE-308", "the engine did not start the container", cause=why, fix=fix)


def _stop(api: APIClient, ident: str) -> None:
    """Ask the command to end, so that it can save its work; what it does not hear is ended by force."""
    with contextlib.suppress(APIError):  # it has ended by itself, or never started
        api.stop(ident, timeout=STOP_SECONDS)


@contextlib.contextmanager
def _attached(api: APIClient, ident: str) -> Iterator[socket.socket]:
    """Take over the connection that carries input and output."""
    wanted = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
    reader = api.attach_socket(ident, params=wanted)
    response = getattr(reader, "_response", None)
    connection = getattr(reader, "_sock", reader)
    try:
        yield connection
    finally:
        (response or reader).close()
        connection.close()


def _relay(connection: socket.socket, job: Job, streams: Streams) -> None:
    """Carry bytes both ways until the command closes its output."""
    connection.settimeout(None)  # a person may think for longer than any limit
    pending = b""
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        if job.stdin:
            _register(selector, connection, streams.stdin)
        while True:
            for key, _ in selector.select():
                if key.fileobj is connection:
                    chunk = connection.recv(CHUNK)
                    if not chunk:
                        return
                    pending = _write(pending + chunk, job, streams)
                elif not _send(connection, streams.stdin):
                    selector.unregister(streams.stdin)


def _register(selector: selectors.BaseSelector, connection: socket.socket, stdin: int) -> None:
    """Watch the input; a plain file, which cannot be watched, is sent from a thread, and ends by itself."""
    try:
        selector.register(stdin, selectors.EVENT_READ)
    except OSError:
        threading.Thread(target=_send_all, args=(connection, stdin), daemon=True).start()


def _send_all(connection: socket.socket, stdin: int) -> None:
    while _send(connection, stdin):
        pass


def _send(connection: socket.socket, stdin: int) -> bool:
    """Send what was typed; at its end close the command's input. Returns whether there may be more."""
    try:
        chunk = os.read(stdin, CHUNK)
        if chunk:
            connection.sendall(chunk)
            return True
        connection.shutdown(socket.SHUT_WR)
    except OSError:  # there is no input, or the command reads no more of it
        return False
    return False


def _write(data: bytes, job: Job, streams: Streams) -> bytes:
    """Write what arrived to its stream, and return the beginning of a frame whose rest is under way."""
    if job.terminal:  # a terminal has one stream, without frames
        _write_all(streams.stdout, data)
        return b""
    at = 0
    while len(data) - at >= HEADER:
        end = at + HEADER + int.from_bytes(data[at + 4 : at + HEADER], "big")
        if end > len(data):
            break
        _write_all(streams.stderr if data[at] == ERROR_STREAM else streams.stdout, data[at + HEADER : end])
        at = end
    return data[at:]


def _write_all(descriptor: int, data: bytes) -> None:
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except BrokenPipeError as error:
        raise ReaderGoneError from error


@contextlib.contextmanager
def _raw(job: Job, streams: Streams) -> Iterator[None]:
    """Hand every key to the container's terminal, Ctrl-C too, and give the user's own back at the end."""
    if not job.terminal:
        yield
        return
    before = termios.tcgetattr(streams.stdin)
    tty.setraw(streams.stdin, termios.TCSADRAIN)  # what was typed while the container started is kept
    try:
        yield
    finally:
        termios.tcsetattr(streams.stdin, termios.TCSADRAIN, before)


@contextlib.contextmanager
def _sized(api: APIClient, ident: str, job: Job, streams: Streams) -> Iterator[None]:
    """Keep the container's terminal as large as the user's, from the start on, before which no engine resizes it."""

    def resize(_number: int = 0, _frame: FrameType | None = None) -> None:
        columns, lines = os.get_terminal_size(streams.stdout)
        with contextlib.suppress(APIError):  # the command has just ended
            api.resize(ident, height=lines, width=columns)

    if not job.terminal:
        yield
        return
    before = signal.signal(signal.SIGWINCH, resize)
    try:
        resize()
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
