"""Finding the socket of a container engine, without the SDK: its import takes 0.14 s."""

import errno
import hashlib
import os
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from provision.errors import EngineError
from provision.files import read_file
from provision.model.base import parse_json
from provision.redaction import redacted

PROBE_SECONDS = 2.0
UNIX = "unix://"
_IN_A_CONTAINER = ("/.dockerenv", "/run/.containerenv")


class Endpoint(NamedTuple):
    """Where an engine listens, or may listen."""

    address: str
    origin: str = ""  # who says so; empty: it is a usual place
    certificates: Path | None = None  # folder of ca.pem, cert.pem and key.pem
    skip_verify: bool = False


def config_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of docker's own settings, logins and contexts."""
    home = environment.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 - gives "~" back where there is no home
    return Path(environment.get("DOCKER_CONFIG") or Path(home) / ".docker")


def chosen_endpoint(environment: Mapping[str, str]) -> Endpoint | None:
    """Return the engine that the docker program would take, or None where nothing is chosen.

    DOCKER_HOST wins over DOCKER_CONTEXT, and that over `docker context use`. The SDK's own reader finds no context
    without a config.json, and leaves the CA of one without a client certificate out.
    Source: https://docs.docker.com/engine/manage-resources/contexts/ (checked 2026-11-29).

    Raises:
        EngineError: KGE-321, the context is not there or names no engine.
    """
    address = environment.get("DOCKER_HOST")
    if address:
        return Endpoint(address, "DOCKER_HOST")
    folder = config_folder(environment)
    name = environment.get("DOCKER_CONTEXT") or _current_context(folder)
    if not name or name == "default":
        return None
    ident = hashlib.sha256(name.encode()).hexdigest()
    try:
        found: Any = parse_json(read_file(folder / "contexts/meta" / ident / "meta.json"))
        endpoint = found["Endpoints"]["docker"]
        address, skip = str(endpoint["Host"]), bool(endpoint.get("SkipTLSVerify"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _no_context(name, folder, error) from error
    certificates = folder / "contexts/tls" / ident / "docker"
    return Endpoint(address, f"docker's context {name}", certificates if certificates.is_dir() else None, skip)


def _current_context(folder: Path) -> str:
    try:
        found: Any = parse_json(read_file(folder / "config.json"))
        return str(found.get("currentContext") or "")
    except (OSError, ValueError, AttributeError):  # missing, unreadable or not docker's: nothing is chosen
        return ""


def _no_context(name: str, folder: Path, error: Exception) -> EngineError:
    why = error.strerror if isinstance(error, OSError) else f"it names no engine ({type(error).__name__}: {error})"
    return EngineError(
        "KGE-321",
        f"docker's context {name} cannot be used",
        cause=f"{folder}/contexts: {why}",
        fix="docker context ls tells those there are; docker context use default, or unset DOCKER_CONTEXT",
    )


def candidates(environment: Mapping[str, str], uid: int) -> tuple[str, ...]:
    """Return the addresses where an engine may listen, the likeliest first; a chosen one alone.

    Raises:
        EngineError: KGE-321, as of `chosen_endpoint`.
    """
    return tuple(one.address for one in _endpoints(environment, uid))


def _endpoints(environment: Mapping[str, str], uid: int) -> tuple[Endpoint, ...]:
    chosen = chosen_endpoint(environment)
    if chosen:
        return (chosen,)
    runtime = environment.get("XDG_RUNTIME_DIR") or f"/run/user/{uid}"
    return tuple(
        Endpoint(UNIX + path)
        for path in (
            "/var/run/docker.sock",
            f"{runtime}/docker.sock",
            "/run/podman/podman.sock",
            f"{runtime}/podman/podman.sock",
        )
    )


def find_engine(address: str | None, environment: Mapping[str, str]) -> Endpoint:
    """Return `address`, what docker's own settings choose, or the first usual place where a socket opens.

    Raises:
        EngineError: KGE-301 nothing answers (it names every address), KGE-302 a socket is there but may
            not be opened, KGE-321 as of `chosen_endpoint`.
    """
    endpoints = (Endpoint(address),) if address else _endpoints(environment, os.getuid())
    tried: list[str] = []
    denied = ""
    for one in endpoints:
        problem = _socket_problem(one.address)
        if problem == errno.EACCES:
            denied = denied or one.address
        if not problem:
            return one
        tried.append(f"{one.address} ({os.strerror(problem)})")
    if denied:
        raise _permission_denied(denied)
    raise nothing_answers(", ".join(tried), endpoints[0].origin)


def shares(address: str, kind: str) -> bool:
    """Tell whether the engine behind a socket shares a namespace with this process.

    Args:
        address: of the engine.
        kind: "net", so that loopback means the same to both; "mnt", so that a path does.

    Whose namespace may not be looked at is taken to be ours, unless this process is in a container.
    """
    try:
        pid = _peer(address)
        return bool(pid) and os.readlink(f"/proc/{pid}/ns/{kind}") == os.readlink(f"/proc/self/ns/{kind}")  # noqa: PTH115 - no file
    except PermissionError:
        return not any(map(os.path.exists, _IN_A_CONTAINER))
    except OSError:
        return False


def has_own_files(address: str) -> bool:
    """Tell whether the process behind a socket was seen to have another /usr than this one, as in a chroot or a snap.

    False where that cannot be told: its process is somebody else's, or in another namespace of processes.
    """
    try:
        pid = _peer(address)
        return bool(pid) and not Path(f"/proc/{pid}/root/usr").samefile("/usr")
    except OSError:
        return False


def _peer(address: str) -> int:
    """Return the process that listens on a unix socket; 0: on another machine or in another namespace of processes.

    Raises:
        OSError: the socket does not open.
    """
    if not address.startswith(UNIX):
        return 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_SECONDS)
        probe.connect(address.removeprefix(UNIX))
        (pid,) = struct.unpack_from("i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(pid)


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


def nothing_answers(looked_at: str, origin: str = "") -> EngineError:
    """Return the error for a host without an engine that answers.

    Args:
        looked_at: the addresses.
        origin: who chose the address; empty: nobody did.
    """
    fix = (
        "install Docker (Debian, Ubuntu: sudo apt-get install docker.io) or start it (sudo systemctl start docker),"
        " or set DOCKER_HOST"
    )
    if origin.startswith("docker's context"):
        fix = "start that engine, or choose another: docker context use default"
    elif origin:
        fix = f"start that engine, or unset {origin}"
    chosen = f", which {origin} names" if origin else ""
    return EngineError(
        "KGE-301", "no container engine answers", cause=f"looked at {redacted(looked_at)}{chosen}", fix=fix
    )


def _permission_denied(address: str) -> EngineError:
    return EngineError(
        "KGE-302",
        f"the engine's socket {Path(address.removeprefix(UNIX))} may not be opened by this user",
        cause="permission denied: the socket belongs to root and a group that you are not in",
        fix="`sudo usermod -aG docker $USER` and log in again, or run with sudo",
    )
