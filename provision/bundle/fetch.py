"""Wheels by their hash, kept in the user's cache: what was fetched before an interruption is not fetched again."""

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

from provision.errors import BuildError, InputError
from provision.lock import Wheel, WheelFile
from provision.redaction import redacted

_TRIES: Final = 3
_WAIT: Final = 1.0  # seconds after the first failure; then twice as long
_CHUNK: Final = 1 << 20


class Stream(Protocol):
    """Yields the bytes at an address. Raises OSError with the reason when it does not answer, or breaks off."""

    def __call__(self, url: str) -> Iterator[bytes]:
        """Return the bytes in pieces."""


def fetch(
    wheel: Wheel, cache: Path, stream: Stream, log: Callable[[str], None], wait: Callable[[float], None] = time.sleep
) -> dict[str, Path]:
    """Return the files of a distribution by name, from the cache or fetched now.

    Raises:
        BuildError: KGE-223, an index does not give the file whose hash was locked.
    """
    found = {}
    for file in wheel.files:
        place = cache / f"{file.hash.removeprefix('sha256:')}.whl"
        if not place.is_file() or hash_of(place) != file.hash:
            _fetch(file, place, stream, log, wait)
        found[file.file] = place
    return found


def _fetch(
    file: WheelFile, place: Path, stream: Stream, log: Callable[[str], None], wait: Callable[[float], None]
) -> None:
    if not file.url:
        raise _failed(file, "its index did not tell the address when it was locked")
    log(f"fetching {file.file}")
    for number in range(_TRIES):
        try:
            return _write(file, place, stream(file.url))
        except OSError as error:
            if error.errno is not None:  # of a file of ours: an index that fails has no number
                raise unkept(place, error) from error
            if number == _TRIES - 1:
                raise _failed(file, str(error)) from error
            log(f"{file.file}: {error}; asking again")
            wait(_WAIT * 2**number)
    return None


def _write(file: WheelFile, place: Path, chunks: Iterator[bytes]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=".part.")
    try:
        found, size = hashlib.sha256(), 0
        with os.fdopen(handle, "wb") as into:
            for chunk in chunks:
                size += len(chunk)
                if file.size_bytes is not None and size > file.size_bytes:
                    raise _failed(file, f"the index gives more than the {file.size_bytes} bytes that were locked")
                found.update(chunk)
                into.write(chunk)
        if f"sha256:{found.hexdigest()}" != file.hash:
            raise _failed(file, f"the index gives sha256:{found.hexdigest()}, and {file.hash} was locked")
        Path(name).replace(place)
    finally:
        Path(name).unlink(missing_ok=True)


def unkept(place: Path, error: OSError) -> InputError:
    """Return the error of a file of the cache that cannot be written."""
    fix = "free space, or name another folder with XDG_CACHE_HOME"
    return InputError("KGE-605", f"Packages cannot be kept in {place.parent}.", cause=error.strerror or "", fix=fix)


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file, as locks have it."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return f"sha256:{found.hexdigest()}"


def _failed(file: WheelFile, why: str) -> BuildError:
    what = f"{file.file} cannot be fetched as it was locked."
    fix = "check the network and the index; if the index is to be trusted, lock anew: kgpu-env lock"
    return BuildError("KGE-223", what, cause=redacted(why), fix=fix)
