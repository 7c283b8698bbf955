"""Finding the engine's socket and talking to it; every failure becomes an EngineError."""

import errno
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from provision.errors import EngineError

if TYPE_CHECKING:
    from docker import APIClient

ANSWER_SECONDS = 60  # for one request; builds, pulls and runs set their own
FIRST_SECONDS = 10  # for the very first answer
PROBE_SECONDS = 2.0
OLDEST_API = "1.24"  # the oldest that the SDK speaks; the first question has no version in its address
UNIX = "unix://"


def candidates(environment: Mapping[str, str], uid: int) -> tuple[str, ...]:
    """Return the addresses where an engine may listen, the likeliest first.

    DOCKER_HOST alone when it is set, as the Docker CLI does it.
    """
    asked = environment.get("DOCKER_HOST")
    if asked:
        return (asked,)
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


def open_client(address: str | None, environment: Mapping[str, str]) -> tuple["APIClient", str]:
    """Return a client of the first engine that answers, and its address.

    Raises:
        EngineError: KGE-301 nothing answers (it names every place), KGE-302 a socket is there but may
            not be opened.
    """
    places = (address,) if address else candidates(environment, os.getuid())
    seen: list[str] = []
    denied = ""
    for place in places:
        problem = _socket_problem(place)
        if problem == errno.EACCES:
            denied = denied or place
        if not problem:
            return _client(place, environment), place
        seen.append(f"{place} ({os.strerror(problem)})")
    if denied:
        raise _permission_denied(denied)
    raise _nothing_answers(", ".join(seen))


def _socket_problem(place: str) -> int:
    """The errno that opening a unix socket gives; 0 when it opens or the address is of another kind."""
    if not place.startswith(UNIX):
        return 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_SECONDS)
        try:
            probe.connect(place.removeprefix(UNIX))
        except PermissionError:
            return errno.EACCES
        except OSError as error:  # a path too long for a socket has no errno
            return error.errno or errno.EINVAL
    return 0


def _client(place: str, environment: Mapping[str, str]) -> "APIClient":
    import docker  # noqa: PLC0415 - a quarter of a second that most commands need not spend
    from docker.utils import kwargs_from_env  # noqa: PLC0415 - the same

    try:
        # The environment's TLS settings belong to its own DOCKER_HOST only.
        ours = environment if place == environment.get("DOCKER_HOST") else {}
        tls = kwargs_from_env(environment=dict(ours)).get("tls", False)
        # Asked in two steps: a client that finds the version by itself leaves its socket open on failure.
        with docker.APIClient(base_url=place, version=OLDEST_API, timeout=FIRST_SECONDS, tls=tls) as first:
            version = str(first.version(api_version=False)["ApiVersion"])
        return docker.APIClient(base_url=place, version=version, timeout=ANSWER_SECONDS, tls=tls)
    except (docker.errors.DockerException, OSError, ValueError, KeyError, TypeError) as error:
        raise _nothing_answers(f"{place} ({error})") from error


def _nothing_answers(seen: str) -> EngineError:
    return EngineError(
        "KGE-301",
        "no container engine answers",
        why=f"looked at {seen}",
        fix="install Docker (Debian, Ubuntu: sudo apt-get install docker.io) or start it"
        " (sudo systemctl start docker), or set DOCKER_HOST",
    )


def _permission_denied(place: str) -> EngineError:
    return EngineError(
        "KGE-302",
        f"the engine's socket {Path(place.removeprefix(UNIX))} may not be opened by this user",
        why="permission denied: the socket belongs to root and a group that you are not in",
        fix="sudo usermod -aG docker $USER and log in again, or run with sudo",
    )


@contextmanager
def answering(address: str) -> Iterator[None]:
    """Turn a lost connection and an answer nobody expected into EngineErrors.

    Raises:
        EngineError: KGE-304 the engine stopped answering, KGE-305 it refused a request.
    """
    import requests  # noqa: PLC0415 - slow, and only needed once an engine is there
    import urllib3  # noqa: PLC0415 - the same
    from docker.errors import APIError, DockerException  # noqa: PLC0415 - the same

    try:
        yield
    except APIError as error:
        raise refused(explanation(error)) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError, TimeoutError) as error:
        raise EngineError(
            "KGE-304",
            "the container engine stopped answering",
            why=f"{address}: {error}",
            fix="look at its log (journalctl -u docker), start it again and repeat the command",
        ) from error
    except DockerException as error:
        raise refused(str(error)) from error


def refused(why: str) -> EngineError:
    """Return the error for a request that the engine did not accept."""
    return EngineError(
        "KGE-305",
        "the container engine refused a request",
        why=why,
        fix="look at its log (journalctl -u docker)",
    )


def explanation(error: Exception) -> str:
    """Return the engine's own words from an APIError, or the error's text."""
    return str(getattr(error, "explanation", None) or error).strip()
