"""A client of the docker SDK, whose failures become EngineErrors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec

import requests
import urllib3
from docker import APIClient
from docker.errors import APIError, DockerException
from docker.tls import TLSConfig
from docker.utils import kwargs_from_env

from provision.engine.connection import Endpoint, nothing_answers
from provision.errors import EngineError
from provision.model.base import parse_json

ANSWER_SECONDS = 60  # for one request; builds, pulls and runs set their own
FIRST_SECONDS = 10  # for the very first answer
OLDEST_API = "1.24"  # the oldest that the SDK speaks; the first question has no version in its address


def open_client(endpoint: Endpoint, environment: Mapping[str, str]) -> APIClient:
    """Return a client of the engine at an address.

    Raises:
        EngineError: KGE-301, nothing answers there; KGE-322, it is reached by ssh and the SDK lacks that part.
    """
    address = endpoint.address
    if address.startswith("ssh://") and not find_spec("paramiko"):
        raise _no_ssh(address)
    try:
        tls = _tls(endpoint, environment)
        # Asked in two steps: a client that finds the version by itself leaves its socket open on failure.
        with _client(address, OLDEST_API, FIRST_SECONDS, tls) as first:
            version = str(first.version(api_version=False)["ApiVersion"])
        return _client(address, version, ANSWER_SECONDS, tls)
    except (DockerException, OSError, ValueError, KeyError, TypeError) as error:
        raise nothing_answers(f"{address} ({error})", endpoint.origin) from error


def _client(address: str, version: str, seconds: int, tls: TLSConfig | None) -> APIClient:
    client = APIClient(address, version, seconds, tls or False, use_ssh_client=True)
    if tls:
        # REQUESTS_CA_BUNDLE, which names a company's authorities, would win over the engine's own.
        client.proxies.update(requests.utils.get_environ_proxies(client.base_url))
        client.trust_env = False
    return client


def _tls(endpoint: Endpoint, environment: Mapping[str, str]) -> TLSConfig | None:
    if endpoint.certificates:
        files = {name: endpoint.certificates / f"{name}.pem" for name in ("ca", "cert", "key")}
        ca, cert, key = (str(path) if path.is_file() else None for path in files.values())
        verify = not endpoint.skip_verify
        return TLSConfig(client_cert=(cert, key) if cert and key else None, ca_cert=ca, verify=verify)
    # The environment's TLS settings belong to its own DOCKER_HOST only.
    ours = environment if endpoint.address == environment.get("DOCKER_HOST") else {}
    found: TLSConfig | None = kwargs_from_env(environment=dict(ours)).get("tls")
    return found


def _no_ssh(address: str) -> EngineError:
    return EngineError(
        "KGE-322",
        f"the engine at {address.rpartition('@')[2]} is reached by ssh, for which the Docker SDK needs paramiko",
        fix="pip install 'docker[ssh]' beside kgpu-env; or forward its socket: ssh -nNT -L"
        f" /tmp/docker.sock:/var/run/docker.sock {address.removeprefix('ssh://')} and"
        " DOCKER_HOST=unix:///tmp/docker.sock",
    )


@contextmanager
def answering(address: str) -> Iterator[None]:
    """Turn a lost connection and an answer nobody expected into EngineErrors.

    Raises:
        EngineError: KGE-304 the engine stopped answering, KGE-305 it refused a request.
    """
    try:
        yield
    except APIError as error:
        raise refused(explanation(error)) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError, TimeoutError) as error:
        raise EngineError(
            "KGE-304",
            "the container engine stopped answering",
            cause=f"{address}: {error}",
            fix="look at its log (journalctl -u docker), start it again and repeat the command",
        ) from error
    except DockerException as error:
        raise refused(str(error)) from error


def refused(why: str) -> EngineError:
    """Return the error for a request that the engine did not accept."""
    return EngineError(
        "KGE-305",
        "the container engine refused a request",
        cause=why,
        fix="look at its log (journalctl -u docker)",
    )


def explanation(error: Exception) -> str:
    """Return the engine's own words from an APIError, or the error's text."""
    return str(getattr(error, "explanation", None) or error).strip()


def words_of(text: str) -> str:
    """Return the message of an engine's answer that is an error."""
    try:
        return str(parse_json(text)["message"])  # type: ignore[index] # another shape is a TypeError
    except (ValueError, KeyError, TypeError):
        return text.strip()
