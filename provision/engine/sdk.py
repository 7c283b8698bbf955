"""A client of the docker SDK, whose failures become EngineErrors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import requests
import urllib3
from docker import APIClient
from docker.errors import APIError, DockerException
from docker.utils import kwargs_from_env

from provision.engine.connection import nothing_answers
from provision.errors import EngineError

ANSWER_SECONDS = 60  # for one request; builds, pulls and runs set their own
FIRST_SECONDS = 10  # for the very first answer
OLDEST_API = "1.24"  # the oldest that the SDK speaks; the first question has no version in its address


def open_client(address: str, environment: Mapping[str, str]) -> APIClient:
    """Return a client of the engine at `address`.

    Raises:
        EngineError: KGE-301, nothing answers there.
    """
    try:
        # The environment's TLS settings belong to its own DOCKER_HOST only.
        ours = environment if address == environment.get("DOCKER_HOST") else {}
        tls = kwargs_from_env(environment=dict(ours)).get("tls", False)
        # Asked in two steps: a client that finds the version by itself leaves its socket open on failure.
        with APIClient(base_url=address, version=OLDEST_API, timeout=FIRST_SECONDS, tls=tls) as first:
            version = str(first.version(api_version=False)["ApiVersion"])
        return APIClient(base_url=address, version=version, timeout=ANSWER_SECONDS, tls=tls)
    except (DockerException, OSError, ValueError, KeyError, TypeError) as error:
        raise nothing_answers(f"{address} ({error})") from error


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
