"""Reads small files below a root directory and remembers what could not be read.

An absent file is an answer (None); a file that is there and cannot be read is a finding. Symbolic links are
followed as if the root were `/`, so that a captured tree never leads out of itself.
"""

import errno
import os
import stat
from pathlib import Path
from typing import Literal

from provision.model import DeviceNode, Finding
from provision.probe import findings
from provision.probe.parsers import parse_nodes

_LIMIT = 1 << 20  # bytes; no file that a probe reads comes near it
_MAX_LINKS = 40  # as in the kernel's path lookup
_NO_LINK = {errno.EINVAL, errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP}
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO}
Touch = Literal["seen", "read", "linked"]  # whether it is there, what is in it, where it leads


class Reader:
    """Access to the files of one host.

    Attributes:
        root: the directory that stands for `/`.
        live: the root is this machine's own.
        findings: one for each file that is there and could not be read.
        looked_at: places where GPUs were looked for, as absolute paths of the host.
        touched: every path that was asked for, and how.
    """

    def __init__(self, root: Path, touched: dict[str, Touch] | None = None) -> None:
        self.root = root
        self.touched: dict[str, Touch] = {} if touched is None else touched
        self.live = root.resolve() == Path("/")
        self.findings: list[Finding] = []
        self.looked_at: list[str] = []
        self._folders: dict[str, str] = {}  # of a tree that nobody changes: where each lies
        self._nodes = parse_nodes(self.text("/dev/.nodes") or "") if not self.live else {}

    def text(self, path: str) -> str | None:
        """Return at most 1 MiB of text, undecodable bytes replaced; None when absent or unreadable.

        NULs at the end are left out: the kernel's files claim a whole page, and GNU tar fills a capture up to it.
        """
        data = self.data(path)
        return None if data is None else data.rstrip(b"\0").decode(errors="replace")

    def data(self, path: str, limit: int = _LIMIT, *, tail: bool = False) -> bytes | None:
        """Return at most `limit` bytes, with `tail` the last ones; None when absent or unreadable."""
        self.touched[path] = "read"
        try:
            # Not to block when a captured tree holds a pipe where a file should be.
            descriptor = os.open(self._real(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:  # noqa: PTH123 - Path.open cannot take a descriptor
                if tail:
                    file.seek(max(0, os.fstat(descriptor).st_size - limit))
                return file.read(limit)
        except OSError as error:
            self._note(path, error)
            return None

    def changed(self, path: str) -> float | None:
        """Return when a file was last written, in seconds since 1970; None when absent or unreadable."""
        try:
            return os.stat(self._real(path)).st_mtime  # noqa: PTH116 - as in `exists`
        except OSError as error:
            self._note(path, error)
            return None

    def line(self, path: str) -> str | None:
        """Return the text without surrounding white space; None when absent, unreadable or empty."""
        text = self.text(path)
        return text.strip() or None if text else None

    def names(self, path: str) -> tuple[str, ...]:
        """Return the sorted names in a directory; none when it is absent or unreadable."""
        try:
            return tuple(sorted(os.listdir(self._real(path))))  # noqa: PTH208 - names are wanted, not paths
        except OSError as error:
            self._note(path, error)
            return ()

    def exists(self, path: str) -> bool:
        """Tell whether there is anything at `path`, or a device node listed for it."""
        self.touched.setdefault(path, "seen")
        if path in self._nodes:
            return True
        try:
            os.stat(self._real(path))  # noqa: PTH116 - Path.exists hides the reason of a failure
        except OSError as error:
            self._note(path, error)
            return False
        return True

    def link(self, path: str) -> str | None:
        """Return the last part of a symbolic link's target, or None when there is no link."""
        folder, _, name = path.rpartition("/")
        self.touched[path] = "linked"
        try:
            return os.path.basename(os.readlink(f"{self._real(folder)}/{name}"))  # noqa: PTH115, PTH119 - a target may be no valid path here
        except OSError as error:
            if error.errno != errno.EINVAL:
                self._note(path, error)
            return None

    def node(self, path: str) -> DeviceNode | None:
        """Return the device node at `path`, or None when there is none.

        A captured tree may hold a plain file in its place, of which owner and mode say nothing.
        """
        self.touched.setdefault(path, "seen")
        if path in self._nodes:
            return self._nodes[path]
        try:
            status = os.stat(self._real(path))  # noqa: PTH116 - as in `exists`
        except OSError as error:
            self._note(path, error)
            return None
        if not stat.S_ISCHR(status.st_mode):
            return None if self.live else DeviceNode(path=path)
        return DeviceNode(path=path, gid=status.st_gid, mode=stat.S_IMODE(status.st_mode))

    def node_names(self, folder: str) -> tuple[str, ...]:
        """Return the names in a folder below /dev, and those that a captured tree lists for it."""
        listed = (path.rpartition("/") for path in self._nodes)
        return (*self.names(folder), *(name for parent, _, name in listed if parent == folder))

    def nodes(self, *paths: str) -> tuple[DeviceNode, ...]:
        """Return those of `paths` that are device nodes."""
        return tuple(node for path in paths if (node := self.node(path)))

    def _note(self, path: str, error: OSError) -> None:
        if error.errno not in _ABSENT:
            self.findings.append(findings.unreadable(path, error.strerror or str(error)))

    def kind(self, path: str) -> Literal["folder", "file", "other", ""]:
        """Return what there is at `path`, a link followed; "" for nothing that can be seen."""
        try:
            mode = os.stat(self._real(path)).st_mode  # noqa: PTH116 - as in `exists`
        except OSError:
            return ""
        return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "other"

    def _real(self, path: str) -> str:
        self.touched.setdefault(path, "seen")
        if self.live:
            return path
        folder, _, name = path.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = _below(str(self.root), folder)
        plain = name not in {"", ".", ".."}
        found = f"{self._folders[folder]}/{name}"
        return found if plain and _target(found) is None else _below(str(self.root), path)


def _below(root: str, path: str) -> str:
    """Return where `path` lies when `root` is taken for `/`, symbolic links included."""
    parts = path.split("/")[::-1]
    done: list[str] = []
    links = 0
    while parts:
        part = parts.pop()
        if part in {"", "."}:
            continue
        if part == "..":
            done = done[:-1]
            continue
        target = _target("/".join((root, *done, part)))
        if target is None:
            done.append(part)
        elif links < _MAX_LINKS:
            links += 1
            done = [] if target.startswith("/") else done
            parts += target.split("/")[::-1]
        else:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    return "/".join((root, *done))


def _target(path: str) -> str | None:
    """Return what a symbolic link holds; None for what is none, or is not there.

    Text and system calls alone: with objects for paths a probe of 512 partitions took three times as long.
    """
    try:
        return os.readlink(path)  # noqa: PTH115 - a Path would drop what tells "a/" from "a"
    except OSError as error:
        if error.errno in _NO_LINK:
            return None
        raise
    except ValueError:  # a null character: no such file, which opening it tells
        return None
