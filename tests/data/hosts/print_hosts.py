"""Writes the host files that are printed from trees: python tests/data/hosts/print_hosts.py [NAME ...].

The other files of this folder have no tree: they are written by hand for tests of the resolver.
"""

import importlib.util
import sys
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType

from provision.catalogue import load
from provision.model import encode
from provision.probe import Lookups, lookups_of, probe_files

HERE = Path(__file__).parent
# facts of AMD's drivers, as in images/amd.yaml; here so that a new row there changes no host file
RELEASES = {"6.12.12": "6.4", "6.14.14": "30.10", "6.16.6": "30.20", "6.16.13": "30.30", "7.1.3": "31.50"}


def tree_maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tree_maker", HERE.parent / "trees" / "make.py")
    if not spec or not spec.loader:
        raise FileNotFoundError("tests/data/trees/make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def lookups() -> Lookups:
    known = lookups_of(load())
    return replace(known, makers={**known.makers, "amd": replace(known.of("amd"), releases=RELEASES)})


def host_json(name: str) -> str:
    """Return the host file of the tree called `name`."""
    with tempfile.TemporaryDirectory() as folder:
        tree_maker().make(Path(folder), [name])
        return encode(probe_files(Path(folder) / name, lookups())) + "\n"


if __name__ == "__main__":
    for tree in sys.argv[1:] or tree_maker().TREES:
        (HERE / f"{tree}.json").write_text(host_json(tree))
