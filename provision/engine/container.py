"""One command in one container: narrow rights, a time limit, and a removal that nothing skips."""

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests
from docker import APIClient
from docker.errors import APIError, ImageNotFound, InvalidVersion, NotFound

from provision.compat import Self
from provision.engine.images import no_image
from provision.engine.protocol import Access, OnOutput, Ran, Run
from provision.engine.sdk import explanation
from provision.engine.stream_demux import StreamDemux
from provision.model.inside import PIDS, SHARED_MEMORY_GIB

LABEL = "kgpu-env.run"
DEADLINE = "kgpu-env.deadline"  # label: the second of Unix time after which nobody waits for the container any more
OWNER = "kgpu-env.owner"  # label: the process that waits for it, as `owner` writes it
PATIENCE_SECONDS = 600  # from a run's limit to its deadline: its end, its removal, and clocks that differ
ENDING_SECONDS = 60  # how long the engine may take to end a container that it was told to kill
REMOVE_TRIES = 3
CHUNK = 1 << 16


def owner(pid: int, proc: Path = Path("/proc")) -> str:
    """Return what names a process of this boot of this machine; empty where /proc does not tell, or it has ended."""
    try:
        boot = (proc / "sys" / "kernel" / "random" / "boot_id").read_text().strip()
        # Field 22 of proc_pid_stat(5): the name before it may hold spaces.
        started = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
    return f"{boot} {pid} {started}"


def sweep(api: APIClient, now: float) -> None:
    """Remove the containers of runs that were killed before they could: past their deadline, and their process gone.

    It never touches one whose command still runs, and a failure is no reason not to go on.
    """
    with contextlib.suppress(APIError, requests.RequestException):
        for found in api.containers(all=True, filters={"label": DEADLINE}):
            labels = found.get("Labels") or {}
            deadline, whose = str(labels.get(DEADLINE, "")), str(labels.get(OWNER, ""))
            if deadline.isdecimal() and int(deadline) < now and not _lives(whose):
                remove(api, found["Id"])


def _lives(whose: str) -> bool:
    pid = whose.split(" ")[1:2]
    return bool(pid) and pid[0].isdecimal() and owner(int(pid[0])) == whose


def body(run: Run, ident: str, now: float) -> dict[str, Any]:
    """Return the request that creates the container: Docker's `ContainerCreate`, no privileges beyond need.

    The root is read-only and /tmp, in memory, is HOME. /tmp allows execution, since compilers of GPU
    kernels load what they wrote there. `now` is in seconds of Unix time.
    """
    created: dict[str, Any] = {
        "Image": run.image,
        "Cmd": list(run.command),
        "Entrypoint": [],  # an image's own entry point could do anything but the command
        "Env": [f"{key}={value}" for key, value in {"HOME": "/tmp", **run.access.env, **run.env}.items()],  # noqa: S108 - a path in the container
        "Labels": {
            LABEL: ident,
            DEADLINE: str(int(now + run.seconds + PATIENCE_SECONDS)),
            OWNER: owner(os.getpid()),
        },
        "WorkingDir": "/tmp",  # noqa: S108 - a path in the container
        "HostConfig": {
            "NetworkMode": "default" if run.network else "none",
            "ReadonlyRootfs": True,
            "Tmpfs": {"/tmp": "rw,exec,nosuid,nodev,mode=1777"},  # noqa: S108 - a path in the container
            "CapDrop": ["ALL"],
            "SecurityOpt": security(run.access),
            "PidsLimit": PIDS,
            "ShmSize": SHARED_MEMORY_GIB << 30,
            "LogConfig": {"Type": "none"},  # the output is read as it comes; a copy could fill the disk
            **_limits(run),
            **devices(run.access),
        },
    }
    if run.user is not None:
        created["User"] = run.user
    return created


def _limits(run: Run) -> dict[str, Any]:
    if run.memory_bytes is None:
        return {}
    return {"Memory": run.memory_bytes, "MemorySwap": run.memory_bytes}  # equal: no swap on top


def security(access: Access) -> list[str]:
    """Return Docker's `SecurityOpt` of every container."""
    return ["no-new-privileges", *(["label=disable"] if access.no_label else [])]


def devices(access: Access) -> dict[str, Any]:
    """Return the part of Docker's `HostConfig` that hands the GPUs over."""
    requests: list[dict[str, Any]] = []
    if access.cdi:
        requests.append({"Driver": "cdi", "DeviceIDs": list(access.cdi)})
    if access.runtime_ids == ("all",):
        requests.append({"Driver": "", "Count": -1, "Capabilities": [["gpu"]]})
    elif access.runtime_ids:
        requests.append({"Driver": "", "DeviceIDs": list(access.runtime_ids), "Capabilities": [["gpu"]]})
    return {
        "DeviceRequests": requests,
        "Devices": [{"PathOnHost": path, "PathInContainer": path, "CgroupPermissions": "rw"} for path in access.nodes],
        "GroupAdd": ["keep-groups"] if access.keep_groups else [str(group) for group in access.groups],
        # Mounts, not binds: the engine refuses a missing source instead of making a folder of it.
        "Mounts": [
            {"Type": "bind", "Source": path, "Target": inside, "ReadOnly": True}
            for path, inside in access.mounts.items()
        ],
    }


def run_once(api: APIClient, run: Run, on_stdout: OnOutput | None = None) -> Ran:
    """Run a command to its end or its limit; see `protocol.Engine.run`.

    Raises:
        BuildError: KGE-408, the engine has no such image.
    """
    ident = f"kgpu-env-{uuid.uuid4().hex}"
    begun = time.monotonic()
    sweep(api, time.time())
    try:
        with Attached(api, ident, run) as attached:
            return attached.follow(begun, on_stdout)
    except ImageNotFound as error:
        raise no_image(run.image, explanation(error)) from error
    except (APIError, InvalidVersion) as error:
        return Ran(
            exit_code=None,
            stdout="",
            stderr="",
            seconds=time.monotonic() - begun,
            refused=explanation(error),
        )
    finally:
        remove(api, ident)


class Attached:
    """A started container with its output; leaving the block closes the stream, not the container."""

    def __init__(self, api: APIClient, ident: str, run: Run) -> None:
        self.api = api
        self.ident = ident
        self.run = run
        self.timed_out = threading.Event()
        self.stream: requests.Response | None = None

    def __enter__(self) -> Self:
        create(self.api, body(self.run, self.ident, time.time()), self.ident)
        # Attached before the start, so that not a byte is missed.
        self.stream = self._attach()
        try:
            self.api.start(self.ident)
        except BaseException:
            self.stream.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.stream is not None:
            self.stream.close()

    def _attach(self) -> requests.Response:
        """Open the container's output as a plain response, without the upgrade to a bare socket."""
        stream = self.api.post(
            f"{self.api.base_url}/v{self.api.api_version}/containers/{self.ident}/attach",
            params={"stream": "1", "stdout": "1", "stderr": "1"},
            stream=True,
            timeout=self.run.seconds + ENDING_SECONDS,  # silence this long means that the engine is gone
        )
        if not stream.ok:
            with stream:
                raise APIError("the engine did not attach", response=stream, explanation=stream.text)
        return stream

    def follow(self, begun: float, on_stdout: OnOutput | None = None) -> Ran:
        """Read until the container ends, or end it at its limit."""
        output = StreamDemux(on_stdout)
        limit = threading.Timer(self.run.seconds, self._end)
        limit.daemon = True
        limit.start()
        try:
            self._read(output)
            ended = self.api.wait(self.ident, timeout=ENDING_SECONDS)
        finally:
            limit.cancel()
            limit.join()
        timed_out = self.timed_out.is_set()
        state = self.api.inspect_container(self.ident)["State"]
        return Ran(
            exit_code=None if timed_out else int(ended["StatusCode"]),
            stdout=output.text(1),
            stderr=output.text(2),
            seconds=time.monotonic() - begun,
            timed_out=timed_out,
            out_of_memory=bool(state.get("OOMKilled")),
        )

    def _read(self, output: StreamDemux) -> None:
        if self.stream is not None:
            while chunk := self.stream.raw.read1(CHUNK):
                output.feed(chunk)

    def _end(self) -> None:
        """Kill the container from the timer's thread, which ends its output and so the reading."""
        self.timed_out.set()
        # Refused when it ended by itself at this very moment; the reader sees the end either way.
        with contextlib.suppress(requests.RequestException):
            self.api.kill(self.ident)


def create(api: APIClient, config: Mapping[str, Any], ident: str) -> None:
    """Create the container `ident`. Interrupted, it waits for the engine's answer before it lets the interrupt go on.

    The engine finishes a creation that nobody waits for any more: Docker 28 with containerd's image store was seen
    to do it after `remove` had found nothing.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:  # its end waits for the thread, whatever happens here
        pool.submit(api.create_container_from_config, config, ident).result()


def remove(api: APIClient, ident: str) -> None:
    """Remove the container if it exists.

    A second interrupt may have cut off the creation's answer while the engine still works on it: a container
    that is not there is looked for again.
    """
    for _ in range(REMOVE_TRIES):
        try:
            api.remove_container(ident, force=True, v=True)
        except NotFound:
            time.sleep(0.1)
        except APIError as error:
            if error.status_code != 409:  # noqa: PLR2004 - HTTP conflict: its removal is under way
                raise
            time.sleep(0.1)
        else:
            return
