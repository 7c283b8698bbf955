"""The guard of the unit tests; the miniature catalogue (tests/data/catalogue), for what calls the command line."""

import socket
import subprocess
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from trees import build

from provision import api
from provision.catalogue import Catalogue, load
from provision.lock import uv
from provision.model import Host
from provision.resources import folder

# A machine with much else to do is no failure; each test still ends within pytest's own limit.
settings.register_profile("without a deadline", deadline=None)
settings.load_profile("without a deadline")

FOLDER = Path(__file__).parent
MINIATURE = Path(__file__).parents[1] / "data" / "catalogue"


@pytest.fixture(scope="session")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what the command line keeps of the miniature, so that it is read once."""
    return tmp_path_factory.mktemp("copies")


@pytest.fixture(scope="session")
def kept_tree(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the tree of a host by its name, written once for all tests: none of them changes it."""
    folder = tmp_path_factory.mktemp("trees")
    return cache(lambda name: build(folder / name, name))


@pytest.fixture(scope="session")
def probed(kept_tree: Callable[[str], Path]) -> Callable[[str], Host]:
    """Return what a probe sees of a kept tree."""
    return cache(lambda name: api.probe_host(kept_tree(name)))


def _answer(command: Sequence[str], _: Mapping[str, str]) -> tuple[int, str, str]:
    """Answer as uv does where everything goes together: each requirement at the version that it names, or 1.0."""
    names: dict[str, str] = {}
    for line in Path(command[3]).read_text().splitlines():
        found = Requirement(line)
        exact = next((one.version for one in found.specifier if one.operator == "=="), "1.0")
        names[canonicalize_name(found.name)] = exact.removesuffix(".*")
    files = '[{ url = "https://index.example/%s-%s-py3-none-any.whl", hashes = { sha256 = "%s" } }]'
    rows = (
        f'[[packages]]\nname = "{name}"\nversion = "{version}"\n'
        f"wheels = {files % (name.replace('-', '_'), version, '0' * 64)}\n"
        for name, version in sorted(names.items())
    )
    return 0, "\n".join(['lock-version = "1.0"', 'created-by = "test"', *rows]), ""


def _refuse(*_: object, **__: object) -> NoReturn:
    pytest.fail("a unit test must not start processes or open connections", pytrace=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Make a test fail that starts a process or opens a connection.

    An index that has everything is in uv's place; where it is only welcome, nobody asks it.
    """
    with pytest.MonkeyPatch.context() as patch:
        if item.path.is_relative_to(FOLDER):
            patch.setenv("UV_OFFLINE", "1")
            patch.setattr(uv, "_run", _answer)
            if not item.get_closest_marker("process"):
                patch.setattr(subprocess, "Popen", _refuse)
                patch.setattr(socket.socket, "connect", _refuse)
        return (yield)


@pytest.fixture
def miniature(monkeypatch: pytest.MonkeyPatch, copies: Path) -> Catalogue:
    """Put the miniature in the shipped catalogue's place."""
    load()  # kept from now on: what asks for the shipped one without copies still gets that
    monkeypatch.setattr("provision.catalogue.folder", lambda name: MINIATURE if name == "images" else folder(name))
    monkeypatch.setenv("XDG_CACHE_HOME", str(copies))
    return load(MINIATURE)
