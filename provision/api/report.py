"""A support archive of this machine."""

import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import provision.catalogue as facts
from provision import __version__, model
from provision.api.doctor import examine_host
from provision.api.hosts import probe_host
from provision.api.stacks import resolve
from provision.errors import NoStackError
from provision.model.support import SupportArchive

if TYPE_CHECKING:
    from provision.report import Contents
    from provision.report.names import Names

RECORDS = 5  # of proofs, the newest
_PASSWD = "/etc/passwd"  # noqa: S105 - a path
_FIRST_USER, _NOBODY = 1000, 65534


def report(
    path: Path,
    *,
    root: Path | None = None,
    records: Path | None = None,
    keep_names: bool = False,
    catalogue: facts.Catalogue | None = None,
) -> SupportArchive:
    """Write a support archive of this machine, and return what is in it.

    Args:
        path: of the archive; a file that is there is never replaced.
        root: another machine's tree; no tool and no engine is asked then.
        records: the folder of this host's proofs.
        keep_names: hosts, users, addresses, serial numbers and UUIDs stay as they are; secrets never do.
        catalogue: the facts; by default those that ship.

    Raises:
        InputError: KGE-119, `root` is not the tree of a host; KGE-338 and KGE-605, the archive's place.
    """
    from provision.probe import lookups_of  # noqa: PLC0415 - 14 ms
    from provision.probe.capture import capture  # noqa: PLC0415 - as above
    from provision.report import Contents, ask_tools, write  # noqa: PLC0415 - 10 ms

    known = catalogue or facts.load()
    host = probe_host(root, catalogue=known)
    contents = Contents(_names(root or Path("/"), host, keep=keep_names))
    contents.add("host.json", model.encode(host).encode())
    _answers(contents, host, known, captured=root is not None)
    for name, text in ({} if root else ask_tools()).items():
        contents.add(f"tools/{name}", text.encode())
    for number, file in enumerate(_newest(records)):
        contents.add(f"records/{number}.json", file.read_bytes())
    contents.add_tree(capture(root or Path("/"), lookups_of(known)))
    return write(contents, path, names_kept=keep_names)


def _answers(contents: "Contents", host: model.Host, catalogue: facts.Catalogue, *, captured: bool) -> None:
    from importlib import metadata  # noqa: PLC0415 - 10 ms

    from provision.doctor.telling import told  # noqa: PLC0415 - 6 ms

    examination = examine_host(host, captured=captured, catalogue=catalogue)
    contents.add("doctor.json", model.encode(examination).encode())
    contents.add("doctor.txt", "\n".join([*told((), examination), ""]).encode())
    contents.add("resolve.txt", "\n".join([*_resolved(host, catalogue), ""]).encode())
    versions = {"kgpu-env": __version__, "python": sys.version.split()[0], "machine": platform.machine()}
    versions |= {name: metadata.version(name) for name in ("docker", "jinja2", "msgspec", "pyyaml", "typer")}
    contents.add("versions.txt", "".join(f"{name} {version}\n" for name, version in versions.items()).encode())


def _resolved(host: model.Host, catalogue: facts.Catalogue) -> list[str]:
    """Return what `resolve --explain` says."""
    from provision.resolve.explain import explanation, rejections  # noqa: PLC0415 - 4 ms

    try:
        stack = resolve(host, catalogue=catalogue)
    except NoStackError as error:
        return [f"{error.code}: {error.text}", error.cause, error.fix, *rejections(error.rejected)]
    return [f"Chosen    {stack.summary}", *stack.packages, *explanation(stack)]


def _names(root: Path, host: model.Host, *, keep: bool) -> "Names":
    """Return the names of this machine, or of the tree, and of who have a home there."""
    from provision.report.names import Names  # noqa: PLC0415 - 4 ms: patterns, and hashes

    hosts = {_line(root, "/etc/hostname"), _line(root, "/proc/sys/kernel/hostname")}
    hosts |= {host.engine.machine} if host.engine else set()
    users = set()
    for line in _text(root, _PASSWD).splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[2].isdecimal() and _FIRST_USER <= int(fields[2]) < _NOBODY:  # noqa: PLR2004 - passwd(5)
            users.add(fields[0])
    if root == Path("/"):
        hosts |= {platform.node()}
        users |= {os.environ.get(name, "") for name in ("USER", "SUDO_USER", "LOGNAME")} | {Path.home().name}
    hosts |= {name.partition(".")[0] for name in hosts}
    return Names(hosts, users, keep=keep)


def _line(root: Path, path: str) -> str:
    return _text(root, path).strip()


def _text(root: Path, path: str) -> str:
    from provision.probe.reader import Reader  # noqa: PLC0415 - 14 ms

    return Reader(root).text(path) or ""


def _newest(folder: Path | None) -> list[Path]:
    if folder is None or not folder.is_dir():
        return []
    return sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)[:RECORDS]
