"""The files that a probe reads, as a small tree that a probe of another machine can read (`--root`)."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from provision.probe.causes.kernel_log import READS as LOGS
from provision.probe.collector import FILE_BYTES, part_of, wanted
from provision.probe.collector import NODES as _NODES
from provision.probe.host import probe_files
from provision.probe.lookups import Lookups
from provision.probe.reader import Reader, Touch


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
        yield Entry(path, part_of(path, data) or b"")


def _listed(reader: Reader, touched: Mapping[str, Touch]) -> Iterator[str]:
    """Yield the folders, and the names in them: a probe may look for what has a name and read no more of it."""
    for path in touched:
        if reader.kind(path) == "folder":
            yield path.rstrip("/") + "/"
            names = reader.names(path)
            for name in wanted(list(names)):
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
