"""Guards for all tests."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from itertools import count
from typing import Final, NoReturn

import pytest

# A shell starts what it puts in the background with Ctrl-C ignored, which every program below would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

_NUMBERS: Final = count()


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


@pytest.fixture(autouse=True)
def _own_records(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keep what a test makes out of the user's own folders, and what is in those, or asked for there, out of tests."""
    # A folder for each of ten thousand tests takes seconds to make and to remove: most need none.
    own = "tmp_path" in request.fixturenames
    folder = request.getfixturevalue("tmp_path") if own else tmp_path_factory.getbasetemp() / f"no-{next(_NUMBERS)}"
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    for name in ("XDG_CACHE_HOME", "KERAS_HOME"):  # once for all tests: the copies of the catalogue save time
        monkeypatch.setenv(name, str(tmp_path_factory.getbasetemp() / name))
    for name in [name for name in os.environ if name.startswith("KGPU_ENV_")]:
        monkeypatch.delenv(name)
