"""The nodes of a fleet, from a folder with a host file or a captured tree for each."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from provision.api.hosts import probe_capture, probe_host, read_host
from provision.catalogue import Catalogue
from provision.errors import InputError, KgpuError
from provision.fleet.cluster import read_nodes
from provision.model import Host
from provision.model.fleet import Unserved
from provision.probe import UntoldError, host_of, lookups_of

# As a host name, a Kubernetes node or an Ansible inventory has them; what may stand in a shell, a page and a label.
NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_CAPTURED: Final = ("proc", "sys", "dev")  # one of these is in the tree of a machine
_PACKED: Final = ".tar.gz"
_ENDINGS: Final = (".json", _PACKED)
_FIX: Final = "write one file a node: kgpu-env probe --json > HOSTS/NODE.json, run there"
_LISTED: Final = "make it with kubectl get nodes -o json > nodes.json"
UNTOLD: Final = "KGE-967"  # labels leave something open
UNSEEN: Final = "its labels tell of no fault, and no probe has looked at it"
PROBE: Final = "probe the node itself: kgpu-env fleet probe"
_LABEL: Final = (
    f"{PROBE}; or have the cluster label it: GPU Feature Discovery, or AMD's node labeller with -device-id "
    "-driver-version, and Node Feature Discovery"
)
_Reader = Callable[[Path, Catalogue], Host]


class Fleet(Struct, frozen=True):
    """The nodes of a folder.

    Attributes:
        hosts: by the name of the node, which is the name of its file or folder.
        broken: nodes whose file cannot be read, and why.
        warnings: what was decided while reading.
        by_labels: of the nodes no more is known than their labels tell.
    """

    hosts: Mapping[str, Host]
    broken: tuple[Unserved, ...] = ()
    warnings: tuple[str, ...] = ()
    by_labels: bool = False


def read_fleet(folder: Path, catalogue: Catalogue) -> Fleet:
    """Return the nodes of a folder, of two entries for one node the newer one; or those of a Kubernetes cluster.

    Args:
        folder: NODE.json, as `kgpu-env probe --json` prints it, NODE.tar.gz, as `--capture` writes it, or NODE/, a
            captured tree. Hidden entries are left out. Or a file, as `kubectl get nodes -o json` prints it.
        catalogue: names what a captured tree has, and what labels tell.

    Raises:
        InputError: KGE-951, there is no such folder; KGE-952, no node is in it; KGE-966, it is a file of another kind.
    """
    if folder.is_file():
        return _of_cluster(folder, catalogue)
    try:
        entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise InputError("KGE-951", f"{folder} is no folder of nodes.", cause=error.strerror or "", fix=_FIX) from error
    chosen, warnings = _newest(entries)
    hosts: dict[str, Host] = {}
    broken: list[Unserved] = []
    for name, (path, read) in chosen.items():
        try:
            hosts[name] = read(path, catalogue)
        except KgpuError as error:
            cause = f"{error.text} {error.cause}".strip()
            broken.append(Unserved(name=name, rule=error.code, cause=cause, fix=error.fix))
    if not chosen:
        seen = f"{len(entries)} other entries are in it" if entries else "it is empty"
        raise InputError("KGE-952", f"{folder} has no node in it.", cause=seen, fix=_FIX)
    return Fleet(hosts, tuple(broken), warnings)


def _of_cluster(path: Path, catalogue: Catalogue) -> Fleet:
    """Return the nodes of a cluster by their labels; one whose labels leave something open is not known."""
    hosts: dict[str, Host] = {}
    broken: dict[str, Unserved] = {}
    warnings: list[str] = []
    lookups = lookups_of(catalogue)
    for node in read_nodes(path):
        name = node.metadata.name
        if not NAME.fullmatch(name):
            warnings.append(f"{name!a} is no name of a node, and is left out")
        elif name in hosts or name in broken:
            warnings.append(f"there are two nodes {name}; the first one counts")
        else:
            try:
                hosts[name] = host_of(node.told, lookups, silent=node.silent)
            except UntoldError as error:
                broken[name] = Unserved(name=name, rule=UNTOLD, cause=f"{error}", fix=_LABEL)
    if not hosts and not broken:
        raise InputError("KGE-952", f"{path} has no node in it.", cause="its list is empty", fix=_LISTED)
    told = f"{len(hosts)} nodes are known by their labels: GPUs, driver and kernel, and not what only a probe sees"
    return Fleet(hosts, tuple(broken.values()), (told, *warnings), by_labels=True)


def _newest(entries: list[Path]) -> tuple[dict[str, tuple[Path, _Reader]], tuple[str, ...]]:
    """Return the entry of each node and its reader, and what was left out."""
    found: dict[str, tuple[Path, _Reader]] = {}
    warnings: list[str] = []
    for path in entries:
        read = _reader(path)
        name = next((path.name.removesuffix(end) for end in _ENDINGS if path.name.endswith(end)), path.name)
        if read is None:
            warnings.append(f"{path.name!a} is neither a host file nor a capture, and is left out")
        elif not NAME.fullmatch(name):
            warnings.append(f"{path.name!a} is no name of a node, and is left out")
        elif name not in found:
            found[name] = path, read
        else:
            old = found[name][0]
            newer = path if _age(path) > _age(old) else old
            found[name] = newer, _reader(newer) or read
            both = f"{old.name} and {path.name}"
            warnings.append(f"there are two entries for {name}, {both}; {newer.name} is the newer one")
    return found, tuple(warnings)


def _age(path: Path) -> float:
    """Return when an entry was written; a link that leads nowhere never was."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _reader(path: Path) -> _Reader | None:
    if path.suffix == ".json":
        return lambda file, _: read_host(file)
    if path.name.endswith(_PACKED):
        return lambda file, catalogue: probe_capture(file, catalogue=catalogue)
    if any(os.path.isdir(path / name) for name in _CAPTURED):  # noqa: PTH112 - where it may not be seen, too
        return lambda root, catalogue: probe_host(root, catalogue=catalogue)
    return None
