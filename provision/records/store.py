"""Where records are kept: one file for each host and image, the newest verification in it."""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from provision.errors import InputError
from provision.files import read_file, state_home, writable_by_all
from provision.model import decode, encode
from provision.records.record import Record

LIMIT = 1 << 20  # bytes; a record has about 2000


def state_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of the records: `kgpu-env/proofs` in XDG_STATE_HOME, else in ~/.local/state."""
    return state_home(environment) / "proofs"


def place(folder: Path, node: str, image: str) -> Path:
    """Return the file of the record about an image on a host."""
    return folder / f"{hashlib.sha256(f'{node} {image}'.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}.json"


def save(folder: Path, record: Record) -> Path:
    """Write a record whole or not at all; return its file.

    Raises:
        InputError: KGE-589, the folder cannot be written.
    """
    path = place(folder, record.host.node, record.image)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, prefix=".record.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(encode(record) + "\n")
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(
            "KGE-589",
            f"The record of this proof cannot be kept in {folder}.",
            cause=error.strerror or str(error),
            fix="set XDG_STATE_HOME to a folder that can be written",
        ) from error
    return path


def load(folder: Path, node: str, image: str) -> Record | str | None:
    """Return the record about an image, why its file is none, or None when there is none."""
    return _read(place(folder, node, image))


def load_last(folder: Path, node: str) -> Record | str | None:
    """Return the record of an image that was written last on this host, why its file is none, or None."""
    files = sorted(folder.glob("*.json"), key=_written, reverse=True)
    for path in files:
        found = _read(path)
        if isinstance(found, str) or (found and found.host.node == node and not found.environment):
            return found
    return None


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # removed in between
        return 0.0


def _read(path: Path) -> Record | str | None:
    try:
        content = read_file(path, LIMIT)
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    if writable_by_all(path.parent):
        return f"everybody may write into {path.parent} (chmod o-w), and so forge it"
    try:
        return decode(content, Record)
    except msgspec.MsgspecError as error:
        return f"{path} is no record: {error}"
