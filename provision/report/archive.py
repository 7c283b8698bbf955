"""One archive of texts, all of which go through one redaction; bounded, in a fixed order, never over another file."""

import hashlib
import json
import os
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from provision.errors import InputError
from provision.model.support import ArchivedFile, SupportArchive
from provision.probe.capture import Entry
from provision.probe.collector import packed
from provision.report.names import Names

TOTAL_BYTES: Final = 32 << 20  # of all files together
TOP: Final = "kgpu-env-report"
TREE: Final = f"{TOP}/tree"


class Contents:
    """What is to be archived: nothing gets in but redacted."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.left_out: list[str] = []
        self._files: dict[str, bytes | None] = {}  # None: a folder
        self._links: dict[str, str] = {}
        self._room = TOTAL_BYTES

    def add(self, path: str, data: bytes) -> None:
        """Add a file below the archive's top folder."""
        place = self.names.text(f"{TOP}/{path}")
        # Bytes that are no UTF-8 (a variable of the firmware) come out as they were.
        text = data.decode("utf-8", "surrogateescape")
        clean = self._clean(text, path).encode("utf-8", "surrogateescape")
        if len(clean) > self._room:
            self.left_out.append(f"{place}: the archive has {TOTAL_BYTES >> 20} MiB already")
            return
        self._room -= len(clean)
        self._files[place] = clean

    def _clean(self, text: str, path: str) -> str:
        """Return a text as it may be shown; of JSON each string by itself, since its escapes hide where words begin."""
        if path.endswith(".json"):
            try:
                return json.dumps(self._walk(json.loads(text)), indent=1, ensure_ascii=False) + "\n"
            except (ValueError, RecursionError):  # a person's file with an error in it
                pass
        return self.names.text(text, path)

    def _walk(self, value: Any) -> Any:  # noqa: ANN401 - JSON of whichever shape
        match value:
            case str():
                return self.names.text(value)
            case dict():
                return {self.names.text(key): self._member(key, one) for key, one in value.items()}
            case list():
                return [self._walk(one) for one in value]
            case _:
                return value

    def _member(self, key: str, value: Any) -> Any:  # noqa: ANN401 - as above
        """Return a member: of a text its key tells whether it is a secret or a serial number."""
        if not isinstance(value, str):
            return self._walk(value)
        return self.names.text(f"{key}: {value}").removeprefix(f"{self.names.text(key)}: ")

    def add_tree(self, entries: Iterable[Entry]) -> None:
        """Add the files that a probe reads, for `--root kgpu-env-report/tree`."""
        for entry in entries:
            place = self.names.text(f"{TREE}{entry.path}")
            if entry.path.endswith("/"):
                self._files[place.rstrip("/")] = None
            elif entry.link:
                self._links[place] = self.names.text(entry.link)
            else:
                self.add(f"tree{entry.path}", entry.data)

    def packed(self) -> bytes:
        """Return the archive: sorted, without times and owners."""
        return packed(self._files, self._links, tarfile.PAX_FORMAT)

    @property
    def listed(self) -> Mapping[str, int]:
        """The files and their bytes, in the archive's order."""
        return {path: len(data) for path, data in sorted(self._files.items()) if data is not None}


def write(contents: Contents, path: Path, *, names_kept: bool) -> SupportArchive:
    """Write the archive, readable by its owner alone, and return what is in it.

    Raises:
        InputError: KGE-338, there is a file of that name; KGE-605, it cannot be written. Nothing is left behind.
    """
    data = contents.packed()
    taken = InputError("KGE-338", f"{path} is there already.", fix="name another file with -o, or move that one away")
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".kgpu-env-report.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.link(name, path)  # unlike a renaming, it never replaces a file
        finally:
            Path(name).unlink()
    except FileExistsError as error:
        raise taken from error
    except OSError as error:
        fix = "name a file in a folder that you can write to"
        raise InputError("KGE-605", f"{path} cannot be written.", cause=error.strerror or "", fix=fix) from error
    return SupportArchive(
        archive=str(path),
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        names_kept=names_kept,
        files=tuple(ArchivedFile(path=one, bytes=size) for one, size in contents.listed.items()),
        left_out=tuple(contents.left_out),
    )
