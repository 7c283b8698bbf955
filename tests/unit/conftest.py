"""The miniature catalogue (tests/data/catalogue), for what calls the command line; others load it by its path."""

from pathlib import Path

import pytest

from provision.catalogue import Catalogue, load
from provision.resources import folder

MINIATURE = Path(__file__).parents[1] / "data" / "catalogue"


@pytest.fixture(scope="session")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what the command line keeps of the miniature, so that it is read once."""
    return tmp_path_factory.mktemp("copies")


@pytest.fixture
def miniature(monkeypatch: pytest.MonkeyPatch, copies: Path) -> Catalogue:
    """Put the miniature in the shipped catalogue's place."""
    load()  # kept from now on: what asks for the shipped one without copies still gets that
    monkeypatch.setattr("provision.catalogue.folder", lambda name: MINIATURE if name == "images" else folder(name))
    monkeypatch.setenv("XDG_CACHE_HOME", str(copies))
    return load(MINIATURE)
