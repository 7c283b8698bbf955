"""Locks that end with their process, however that ends, and folders of a run that the next one removes."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_NEW: Final = 60.0  # seconds within which a folder may not be locked yet


@contextmanager
def locked(folder: Path, how: int) -> Iterator[bool]:
    """Lock a folder; yields False where another process has it, or the file system has no locks.

    Args:
        folder: not followed where it is a symbolic link.
        how: `fcntl.LOCK_EX`, with `LOCK_NB` where nobody is waited for.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, how)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def remove_unlocked(folder: Path) -> None:
    """Remove a folder that no process has locked."""
    with locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB) as is_free:
        if is_free:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def own_folder(prefix: str) -> Iterator[Path]:
    """Yield a folder for this user alone that is gone afterwards; those of killed runs are removed first.

    Args:
        prefix: of its name in the folder of temporary files, which nothing else there has.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        if _is_left(left):
            remove_unlocked(left)
    made = tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True)
    with made as name, locked(Path(name), fcntl.LOCK_EX | fcntl.LOCK_NB):
        yield Path(name)


def _is_left(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:  # gone in between
        return False
    return found.st_uid == os.geteuid() and time.time() - found.st_mtime > _NEW
