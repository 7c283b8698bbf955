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
from provision.probe.collector import UNREADABLE, Places
from provision.probe.parsers import parse_nodes

_LIMIT = 1 << 20  # bytes; no file that a probe reads comes near it
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
        self._place = Places("/" if self.live else str(root))
        self._closed = {} if self.live else _closed(root)
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
        if path in self._closed and error.errno in _ABSENT:
            self.findings.append(findings.unreadable(path, self._closed[path]))
        elif error.errno not in _ABSENT:
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
        return self._place(path)


def _closed(root: Path) -> dict[str, str]:
    """Return what could not be read when a tree was captured, and why."""
    try:
        text = (root / UNREADABLE[1:]).read_bytes()[:_LIMIT].decode(errors="replace") if root.is_dir() else ""
    except OSError:
        return {}
    lines = (line.partition("\t") for line in text.splitlines())
    return {path: reason or "it could not be read" for path, _, reason in lines}
