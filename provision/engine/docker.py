"""Connecting to a container engine: Docker itself, or Podman."""

import os
from collections.abc import Mapping

from provision.engine.connection import find_engine
from provision.engine.protocol import Engine


def connect(address: str | None = None, environment: Mapping[str, str] | None = None) -> Engine:
    """Return the engine at `address`, or the first that answers at the usual places.

    Args:
        address: such as unix:///run/podman/podman.sock or tcp://host:2376.
        environment: DOCKER_HOST, DOCKER_CONTEXT, DOCKER_CONFIG, the Docker TLS variables and XDG_RUNTIME_DIR; the
            process's own by default.

    Raises:
        EngineError: KGE-301 nothing answers, KGE-302 the socket may not be opened, KGE-321 docker's context cannot
            be used.
    """
    variables = os.environ if environment is None else environment
    found = find_engine(address, variables)
    # Importing the SDK takes 0.14 s (measured), which a host without an engine need not pay.
    from provision.engine.docker_engine import open_engine  # noqa: PLC0415

    return open_engine(found, variables)
