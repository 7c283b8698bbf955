"""Restates uv's and cog's tables as data, from their source distributions: the audit then sees new rows of theirs.

nox -s peers -- uv==0.13.9 cog==0.23.1

Without versions, the newest. The distributions are fetched from the package index of this host and not kept; facts are
restated, no code.
"""

import io
import json
import os
import re
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from packaging.version import Version

from provision.api.catalogue import help_of_uv
from provision.index import indexes_of, listing
from provision.model import Network
from provision.registry.http import Http

HERE: Final = Path(__file__).parent
_LIMIT: Final = 256 * 1024 * 1024
_TABLES: Final = {"linux": "LINUX_CUDA_DRIVERS", "windows": "WINDOWS_CUDA_VERSIONS"}
_ROW: Final = r"TorchBackend::Cu(\d+)(\d), Version::new\(\[([\d, ]+)\]\)"


def of_uv(text: str) -> dict[str, dict[str, str]]:
    """Return the oldest driver for each CUDA, by system, from crates/uv-torch/src/backend.rs."""
    found: dict[str, dict[str, str]] = {}
    for system, name in _TABLES.items():
        table = re.search(rf"static {name}\b(.*?)\n}}\);", text, re.DOTALL)
        rows = re.findall(_ROW, table[1]) if table else []
        found[system] = {f"{major}.{minor}": driver.replace(", ", ".") for major, minor, driver in rows}
        declared = re.search(rf"static {name}\b[^;]*; (\d+)\]", text)
        if not rows or not declared or len(rows) != int(declared[1]):
            raise SystemExit(f"uv's table {name} is written otherwise now: {len(rows)} rows were read")
    return found


def of_cog(text: str) -> list[dict[str, Any]]:
    """Return cog's releases of TensorFlow, the newest first, from pkg/config/tf_compatibility.json."""
    found = [
        {
            "tensorflow": row["TF"],
            "cuda": row["CUDA"],
            "cudnn": row["CuDNN"],
            "pythons": sorted(row["Pythons"], key=Version),
        }
        for row in json.loads(text)
    ]
    return sorted(found, key=lambda row: Version(str(row["tensorflow"])), reverse=True)


def yaml_of_uv(found: dict[str, dict[str, str]]) -> str:
    """Return uv's tables as they stand in uv.yaml."""
    lines = [line for system, table in found.items() for line in (f"{system}:", *_pairs(table))]
    return "\n".join([*lines, ""])


def _pairs(table: dict[str, str]) -> list[str]:
    return [f'  "{cuda}": "{driver}"' for cuda, driver in table.items()]


def yaml_of_cog(found: list[dict[str, Any]]) -> str:
    """Return cog's table as it stands in cog.yaml."""
    rows = (", ".join(f"{key}: {json.dumps(value)}" for key, value in row.items()) for row in found)
    return "".join(f"- {{{row}}}\n" for row in rows)


class Peer(NamedTuple):
    """A project whose table is restated."""

    what: str  # of the head
    member: str  # the file in its source distribution
    restate: Callable[[str], str]


PEERS: Final = {
    "uv": Peer(
        "uv's tables LINUX_CUDA_DRIVERS and WINDOWS_CUDA_VERSIONS: the oldest driver for PyTorch's wheels of a CUDA",
        "crates/uv-torch/src/backend.rs",
        lambda text: yaml_of_uv(of_uv(text)),
    ),
    "cog": Peer(
        "cog's table of TensorFlow releases: CUDA, cuDNN, Pythons",
        "pkg/config/tf_compatibility.json",
        lambda text: yaml_of_cog(of_cog(text)),
    ),
}


def fetched(project: str, version: str, member: str) -> tuple[str, str]:
    """Return the version of a source distribution (the newest where none is asked for) and one file of it."""
    get = Http(os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE"))
    try:
        files = listing(project, indexes_of(Network(), os.environ, help_of_uv).urls, get).files
        sources = [one for one in files if one.name.endswith(".tar.gz") and version in ("", one.version)]
        newest = max(sources, key=lambda one: Version(one.version))
        body = get(newest.url, {}, _LIMIT).body
    finally:
        get.close()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        name = next(name for name in archive.getnames() if name.partition("/")[2] == member)
        file = archive.extractfile(name)
        return newest.version, file.read().decode() if file else ""


def main() -> None:
    """Write the tables of those named on the command line, or of both."""
    for word in sys.argv[1:] or PEERS:
        project, _, version = word.partition("==")
        peer = PEERS[project]
        version, text = fetched(project, version, peer.member)
        head = f"# {peer.what}.\n# Written by tests/audit/peers.py from {peer.member} in the source distribution of\n"
        head += f"# {project} {version}, read on {time.strftime('%Y-%m-%d')}. Facts restated, not code.\n"
        (HERE / f"{project}.yaml").write_text(head + peer.restate(text))


if __name__ == "__main__":
    main()
