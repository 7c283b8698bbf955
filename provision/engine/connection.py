"""Finding the socket of a container engine, without the SDK: its import takes 0.14 s."""

import errno
import os
import socket
from collections.abc import Mapping
from pathlib import Path

from provision.errors import EngineError

PROBE_SECONDS = 2.0
UNIX = "unix://"


def candidates(environment: Mapping[str, str], uid: int) -> tuple[str, ...]:
    """Return the addresses where an engine may listen, the likeliest first.

    DOCKER_HOST alone when it is set, as the Docker CLI does it.
    """
    chosen = environment.get("DOCKER_HOST")
    if chosen:
        return (chosen,)
    runtime = environment.get("XDG_RUNTIME_DIR") or f"/run/user/{uid}"
    return tuple(
        UNIX + path
        for path in (
            "/var/run/docker.sock",
            f"{runtime}/docker.sock",
            "/run/podman/podman.sock",
            f"{runtime}/podman/podman.sock",
        )
    )


def find_engine(address: str | None, environment: Mapping[str, str]) -> str:
    """Return `address`, or the first usual place, where a socket opens or cannot be tried.

    Raises:
        EngineError: KGE-301 nothing answers (it names every address), KGE-302 a socket is there but may
            not be opened.
    """
    addresses = (address,) if address else candidates(environment, os.getuid())
    tried: list[str] = []
    denied = ""
    for candidate in addresses:
        problem = _socket_problem(candidate)
        if problem == errno.EACCES:
            denied = denied or candidate
        if not problem:
            return candidate
        tried.append(f"{candidate} ({os.strerror(problem)})")
    if denied:
        raise _permission_denied(denied)
    raise nothing_answers(", ".join(tried))


def _socket_problem(address: str) -> int:
    """The errno that opening a unix socket gives; 0 when it opens or the address is of another kind."""
    if not address.startswith(UNIX):
        return 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_SECONDS)
        try:
            probe.connect(address.removeprefix(UNIX))
        except PermissionError:
            return errno.EACCES
        except OSError as error:  # a path too long for a socket has no errno
            return error.errno or errno.EINVAL
    return 0


def nothing_answers(looked_at: str) -> EngineError:
    """Return the error for a host without an engine that answers."""
    return EngineError(
        "KGE-301",
        "no container engine answers",
        cause=f"looked at {looked_at}",
        fix="install Docker (Debian, Ubuntu: sudo apt-get install docker.io) or start it"
        " (sudo systemctl start docker), or set DOCKER_HOST",
    )


def _permission_denied(address: str) -> EngineError:
    return EngineError(
        "KGE-302",
        f"the engine's socket {Path(address.removeprefix(UNIX))} may not be opened by this user",
        cause="permission denied: the socket belongs to root and a group that you are not in",
        fix="`sudo usermod -aG docker $USER` and log in again, or run with sudo",
    )
