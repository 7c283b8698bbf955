"""Write what the Python that runs this would import from: its version and every installed distribution.

Started as ``python -c SOURCE``, with any Python from 3.9 on: the standard library alone, and none of this package.
"""

import hashlib
import json
import sys
from pathlib import Path

# What tells one installation of a version from another: the list of its files with their hashes, where there is one.
LISTS = ("RECORD", "METADATA", "PKG-INFO")


def mark(folder: Path) -> str:
    """Return a short hash of a distribution's list of files; empty where it has none."""
    for name in LISTS:
        try:
            return hashlib.sha256((folder / name).read_bytes()).hexdigest()[:16]
        except OSError:
            continue
    return ""


def distributions() -> "dict[str, str]":
    """Return the mark of each distribution by "name version"; the first on the path is the one that is imported."""
    found: dict[str, str] = {}
    # An empty entry is the folder of the call, from which the workload imports nothing either.
    for folder in map(Path, filter(None, sys.path)):
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                if path.suffix in {".dist-info", ".egg-info"}:
                    name, version, *_ = [*path.stem.split("-"), "", ""]
                    found.setdefault(f"{name} {version}", mark(path))
    return found


if __name__ == "__main__":
    number = ".".join(map(str, sys.version_info[:3]))
    sys.stdout.write(json.dumps({"python": number, "packages": distributions()}))
