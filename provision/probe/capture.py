"""The files that a probe reads, as a small tree that a probe of another machine can read (`--root`)."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from provision.model import GPU_VENDORS
from provision.probe.causes.kernel_log import READS as LOGS
from provision.probe.host import probe_files
from provision.probe.lookups import Lookups
from provision.probe.reader import Reader, Touch

FILE_BYTES: Final = 256 << 10  # of one file; the end of a log, the beginning of others
NAMES: Final = 500  # of one folder; of a larger one those that a probe may look for
_NODES: Final = "/dev/.nodes"
_SPEAKERS = re.compile(rb"Linux version |NVRM|amdgpu|kfd|drm|[Mm]odule|modprobe")
_VARIABLES = re.compile(rb"^\s*(?:export\s+)?(?:HSA|ROC|HIP|CUDA|NVIDIA)\w*=")
_CONTAINER: Final = (b"container=", b"KUBERNETES_SERVICE_HOST=")
_NAMED: Final = "|".join(word for vendor, row in GPU_VENDORS.items() for word in (vendor, row.maker))
_WANTED = re.compile(rf"{_NAMED}|hip|hsa|dri|docker|podman|cdi|fabric|ctk", re.IGNORECASE)


class Entry(NamedTuple):
    """One thing in a captured tree; a folder is there when something is below it, or its path ends with "/"."""

    path: str  # absolute
    data: bytes = b""
    link: str = ""  # the target of a symbolic link


def capture(root: Path, lookups: Lookups) -> list[Entry]:
    """Return what a probe of the machine below `root` reads, sorted by path, without owners and times.

    Raises:
        InputError: KGE-119, `root` is not the tree of a host.
    """
    touched: dict[str, Touch] = {}
    probe_files(root, lookups, touched)
    reader = Reader(root)
    found = {path: Entry(path) for path in _listed(reader, touched)}
    found |= {entry.path: entry for path, touch in touched.items() for entry in _entry(reader, path, touch)}
    nodes = _nodes(reader, touched)
    found = {path: one for path, one in found.items() if path not in nodes and path != _NODES}
    if nodes:
        found[_NODES] = Entry(_NODES, "".join(f"{line}\n" for line in sorted(nodes.values())).encode())
    above = {parent for path in found for parent in _parents(path)} | {
        f"{one.path}/" for one in found.values() if one.link
    }
    return [found[path] for path in sorted(found) if path not in above]


def _entry(reader: Reader, path: str, touch: Touch) -> Iterator[Entry]:
    target = reader.link(path) if touch == "linked" else None
    if target:
        yield Entry(path, link=target)
    elif reader.kind(path) == "file":
        data = (reader.data(path, FILE_BYTES, tail=path in LOGS) or b"") if touch == "read" else b""
        yield Entry(path, next((part(data) for place, part in _PARTS.items() if re.search(place, path)), data))


def _log(data: bytes) -> bytes:
    return b"".join(filter(_SPEAKERS.search, data.splitlines(keepends=True)))


def _environ(data: bytes) -> bytes:
    return b"".join(one + b"\0" for one in data.split(b"\0") if one.startswith(_CONTAINER))


def _settings(data: bytes) -> bytes:
    return b"".join(filter(_VARIABLES.search, data.splitlines(keepends=True)))


def _context(data: bytes) -> bytes:
    try:
        found = json.loads(data)["currentContext"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return b"{}"
    return json.dumps({"currentContext": found}).encode()


# What a probe reads of files that hold more, and that nobody else should see.
_PARTS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    rf"^({'|'.join(LOGS)})$": _log,
    r"^/proc/\d+/environ$": _environ,
    r"^/etc/(environment|profile|default/docker)": _settings,
    r"/\.docker/config\.json$": _context,
}


def _listed(reader: Reader, touched: Mapping[str, Touch]) -> Iterator[str]:
    """Yield the folders, and the names in them: a probe may look for what has a name and read no more of it."""
    for path in touched:
        if reader.kind(path) == "folder":
            yield path.rstrip("/") + "/"
            names = reader.names(path)
            for name in names if len(names) <= NAMES else filter(_WANTED.search, names):
                below = f"{path.rstrip('/')}/{name}"
                yield below + "/" if reader.kind(below) == "folder" else below


def _nodes(reader: Reader, touched: Mapping[str, Touch]) -> dict[str, str]:
    """Return the lines of `dev/.nodes` by path: nodes are described, not copied."""
    places = [path for path in touched if path.startswith("/dev/")]
    places += [f"{path}/{name}" for path in places for name in reader.node_names(path)]
    nodes = (reader.node(path) for path in dict.fromkeys(places))
    return {
        one.path: f"{one.path} {one.mode or 0o600:o} {one.gid or 0}" for one in nodes if one and one.mode is not None
    }


def _parents(path: str) -> Iterator[str]:
    place = path.rstrip("/")
    while place := place.rpartition("/")[0]:
        yield place
        yield place + "/"
