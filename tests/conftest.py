"""Guards for all tests."""

import socket
import subprocess
from collections.abc import Iterator
from typing import NoReturn

import pytest


@pytest.fixture(autouse=True)
def _no_effects(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make a unit test fail that starts a process or opens a connection."""
    if "unit" not in request.path.parts or request.node.get_closest_marker("process"):
        yield
        return

    def refuse(*_: object, **__: object) -> NoReturn:
        pytest.fail("a unit test must not start processes or open connections", pytrace=True)

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    yield
