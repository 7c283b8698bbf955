"""Writes the host files that are printed from trees: python tests/data/hosts/print_hosts.py [NAME ...].

The other files of this folder have no tree: they are written by hand for tests of the resolver.
"""

import sys
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

from provision.catalogue import load
from provision.model import encode
from provision.probe import Lookups, lookups_of, probe_files

HERE = Path(__file__).parent
sys.path.append(str(HERE.parents[1] / "helpers"))  # where it is run by itself
from trees import build, make  # noqa: E402 - as above

# facts of AMD's drivers, as in images/amd.yaml; here so that a new row there changes no host file
RELEASES = {"6.12.12": "6.4", "6.14.14": "30.10", "6.16.6": "30.20", "6.16.13": "30.30", "7.1.3": "31.50"}


@cache
def lookups() -> Lookups:
    known = lookups_of(load())
    return replace(known, makers={**known.makers, "amd": replace(known.of("amd"), releases=RELEASES)})


def host_json(name: str) -> str:
    """Return the host file of the tree called `name`."""
    with tempfile.TemporaryDirectory() as folder:
        return encode(probe_files(build(Path(folder), name), lookups())) + "\n"


if __name__ == "__main__":
    for tree in sys.argv[1:] or make.TREES:
        (HERE / f"{tree}.json").write_text(host_json(tree))
