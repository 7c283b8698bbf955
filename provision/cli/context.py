"""What the commands have in common: the catalogue, this host, and what stderr is."""

import os
import sys
from pathlib import Path

from provision import api
from provision.catalogue import Catalogue, load
from provision.model import Host
from provision.resources import cache_folder
from provision.variables import CATALOGUE


def load_catalogue(overlay: Path | str | None = None) -> Catalogue:
    """Return the catalogue, with the site's own rows of a folder, or else of KGPU_ENV_CATALOGUE."""
    own = overlay or os.environ.get(CATALOGUE)
    return load(cache=cache_folder(os.environ), overlay=Path(own) if own else None)


def this_host(root: Path | None = None) -> Host:
    """Return this machine, or the captured tree at `root`, as probed."""
    return api.probe_host(root, catalogue=load_catalogue())


def is_terminal() -> bool:
    """Tell whether stderr is a terminal that a line can be rewritten on."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not os.environ.get("CI")
