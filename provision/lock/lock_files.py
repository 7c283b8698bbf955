"""A lock as files: `kgpu.lock`, and beside it the wheels in the standard's form, `pylock.toml`."""

import hashlib
import re
from collections.abc import Collection
from pathlib import Path

import msgspec
from msgspec.structs import replace

from provision.errors import InputError
from provision.files import read_file
from provision.lock import pylock
from provision.lock.document import LOCK_FILE, PYLOCK_FILE, DebianFile, Lock, Wheel
from provision.model import Stack, Vendor, decode, encode

# What may stand unquoted in a Dockerfile; compiled when a lock is read.
_IMAGE = r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,254}"
_DIGEST = r"(sha256:[0-9a-f]{64})?"
_NUMBER = r"[0-9]+(\.[0-9]+)*"
_WORD = r"[A-Za-z0-9][A-Za-z0-9._+-]*"
_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"


def files_of(lock: Lock, path: Path) -> dict[Path, bytes]:
    """Return the files of a lock that is kept at `path`."""
    if not lock.wheels:
        return {path: (encode(lock) + "\n").encode()}
    wheels = pylock.text_of(lock.wheels, lock.stack.python).encode()
    kept = replace(lock, wheels=(), pylock=_hash(wheels))
    return {pylock_path(path): wheels, path: (encode(kept) + "\n").encode()}


def with_debian(path: Path, files: Collection[DebianFile]) -> bytes:
    """Return the file of a lock that can be read, as it is with its Debian packages; its pylock.toml stays the same."""
    kept = decode(read_file(path), Lock)
    debian = tuple(sorted(files, key=lambda one: (one.name, one.architecture)))
    return (encode(replace(kept, debian=debian)) + "\n").encode()


def pylock_path(path: Path) -> Path:
    """Return where the wheels of a lock are: pylock.toml of kgpu.lock, pylock.cuda.toml of cuda.lock (PEP 751)."""
    return path.with_name(PYLOCK_FILE if path.name == LOCK_FILE else f"pylock.{path.stem}.toml")


def read_lock(path: Path) -> Lock:
    """Return a lock with the wheels of the pylock.toml beside it.

    Raises:
        InputError: KGE-620, unreadable or not a lock; KGE-623 or KGE-217, its pylock.toml is none, or another one.
    """
    fix = "write it with kgpu-env lock"
    try:
        found = decode(read_file(path), Lock)
    except OSError as error:
        raise InputError("KGE-620", f"{path} cannot be read.", cause=error.strerror or str(error), fix=fix) from error
    except msgspec.MsgspecError as error:
        raise InputError("KGE-620", f"{path} is not a lock.", cause=str(error), fix=fix) from error
    strange = _strange(found.stack)
    if found.stack.vendor is Vendor.AUTO:
        raise InputError("KGE-620", f"{path} is not a lock.", cause="its stack is made for no vendor", fix=fix)
    if strange:
        raise InputError(
            "KGE-620", f"{path} is not a lock.", cause=f"{strange!r} cannot stand in a Dockerfile", fix=fix
        )
    return replace(found, wheels=_wheels(path, found.pylock)) if found.pylock else found


def _strange(stack: Stack) -> str | None:
    """Return a text of the stack that could say more in a Dockerfile than it should."""
    words = {_IMAGE: [stack.base.image], _DIGEST: [stack.base.digest or ""], _NUMBER: [stack.python]}
    words |= {_WORD: [stack.framework.name, stack.framework.version, stack.runtime.name, stack.runtime.version]}
    words |= {_VARIABLE: list(stack.settings.env)}
    for pattern, texts in words.items():
        if strange := next((text for text in texts if not re.fullmatch(pattern, text, flags=re.ASCII)), None):
            return strange
    values = (*stack.settings.env.values(), *stack.packages, *stack.indexes, stack.find_links or "", stack.summary)
    return next((text for text in values if not text.isprintable()), None)


def _wheels(path: Path, digest: str) -> tuple[Wheel, ...]:
    place = pylock_path(path)
    fix = "lock anew with kgpu-env lock, or restore the file"
    try:
        content = read_file(place)
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(
            "KGE-217", f"{place} has the wheels of {path}, and cannot be read.", cause=why, fix=fix
        ) from error
    if _hash(content) != digest:
        why = "another program wrote it, or it was edited"
        raise InputError("KGE-217", f"{place} is not the one that {path} was written with.", cause=why, fix=fix)
    return pylock.parse(content.decode("utf-8", "replace"))


def _hash(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
