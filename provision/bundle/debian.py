"""Debian packages in a bundle: apt fetches them for the base in a build, and their files are taken out of its image."""

import os
import re
import shutil
import tarfile
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final
from urllib.parse import unquote

from provision.bundle.document import Bundle
from provision.bundle.fetch import hash_of, unkept
from provision.bundle.layout import blobs_of, to_layout
from provision.engine.network import BuildNetwork
from provision.engine.protocol import Context, Engine
from provision.errors import BuildError, EngineError, InputError
from provision.lock import DebianFile
from provision.render.dockerfile import DEBIAN, fetching

# https://www.debian.org/doc/debian-policy/ch-controlfields.html; in a file's name a colon is %3a.
_FILE: Final = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9+.-]+)_(?P<version>[0-9][A-Za-z0-9.+~%-]*)_(?P<architecture>[a-z0-9-]+)\.deb",
    flags=re.ASCII,
)


def part_of(file: DebianFile) -> str:
    """Return what a bundle calls a package: without its version, which may have what no part is called by."""
    return f"{DEBIAN}/{file.name}_{file.architecture}.deb"


def kept_debian(files: Sequence[DebianFile], cache: Path) -> dict[DebianFile, Path] | None:
    """Return packages by their hash from the cache, or None where one is not there."""
    found = {one: _place(cache, one.hash) for one in files}
    return found if all(path.is_file() and hash_of(path) == one.hash for one, path in found.items()) else None


def fetch_debian(
    engine: Engine, base: str, words: Sequence[str], network: BuildNetwork, cache: Path
) -> dict[DebianFile, Path]:
    """Return packages with all that a base lacks for them, as apt in that base finds, checks and fetches them.

    Args:
        engine: has the base.
        base: its name.
        words: "hello", or "hello=2.10-3".
        network: the way to the mirror.
        cache: the folder that keeps the files.

    Raises:
        BuildError: KGE-401, apt does not get them; and as of a build.
        EngineError: KGE-305, what the engine saved is not understood.
        InputError: KGE-605, a file cannot be written.
    """
    name = f"kgpu-env/{DEBIAN}:{uuid.uuid4().hex[:12]}"
    files = {"Dockerfile": fetching(base, words, network.files).encode(), **network.files}
    context = Context(files=files, host_network=network.host_network)
    engine.build(context, name, lambda _: None, network.arguments)
    with tempfile.TemporaryDirectory(prefix="kgpu-env-debian-") as folder:
        try:
            engine.save(name, Path(folder) / "fetched.tar")
        finally:
            engine.remove(name)
        return dict(_unpacked(Path(folder) / "fetched.tar", Path(folder), cache))


def check_same(locked: Sequence[DebianFile], found: Mapping[DebianFile, Path]) -> None:
    """Raise BuildError KGE-223 for the first package that is not what was locked."""
    names = {(one.name, one.architecture): one for one in found}
    for one in locked:
        got = names.pop((one.name, one.architecture), None)
        if got is None:
            raise not_as_locked(f"{one.name} {one.version}", "the base has it already, or nothing needs it any more")
        if got != one:
            raise not_as_locked(
                f"{one.name} {one.version}",
                f"apt gives {got.version} with {got.hash}, and {one.version} with {one.hash} was locked",
            )
    for one in names.values():
        raise not_as_locked(f"{one.name} {one.version}", "it is needed by now, and was not when it was locked")


def not_as_locked(what: str, why: str) -> BuildError:
    """Return the error of Debian packages that cannot be had as they were locked."""
    fix = "build from a bundle that was made before, or lock what there is now: kgpu-env lock --upgrade"
    return BuildError("KGE-223", f"{what} cannot be fetched as it was locked.", cause=why, fix=fix)


def check_listed(path: Path, head: Bundle, locked: Sequence[DebianFile]) -> None:
    """Raise InputError KGE-221 where the Debian packages of a bundle are not those that its lock names.

    Args:
        path: the bundle.
        head: its list; each part was checked against that.
        locked: the lock's.
    """
    there = {one.path: one.sha256 for one in head.parts if one.path.startswith(f"{DEBIAN}/")}
    wanted = {part_of(one): one.hash.removeprefix("sha256:") for one in locked} if there else {}
    for part in sorted({*there, *wanted}):
        if there.get(part) != wanted.get(part):
            fix = "make it anew: kgpu-env bundle"
            raise InputError(
                "KGE-221",
                f"{path} is no bundle that can be used.",
                cause=f"{part} is not the file that its lock names",
                fix=fix,
            )


def _unpacked(archive: Path, folder: Path, cache: Path) -> Iterator[tuple[DebianFile, Path]]:
    saved = to_layout(archive, folder / "layout")
    try:
        for layer in blobs_of(folder / "layout", saved.image_id)[1:]:
            with tarfile.open(layer, "r:") as tar:
                for member in tar:
                    match = _FILE.fullmatch(member.name)
                    file = tar.extractfile(member) if match else None
                    if match and file:
                        number = _keep(file, cache)
                        found = match.groupdict() | {"version": unquote(match["version"]), "hash": number}
                        yield DebianFile(**found), _place(cache, number)
    except (tarfile.TarError, OSError, ValueError, KeyError, TypeError) as error:
        what = "the engine saved Debian packages in a form that is not understood"
        raise EngineError("KGE-305", what, cause=str(error)) from error


def _keep(file: IO[bytes], cache: Path) -> str:
    """Write a package to the cache, whole or not at all, and return its hash."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=cache, prefix=".part.")
        try:
            with os.fdopen(handle, "wb") as into:
                shutil.copyfileobj(file, into)
            number = hash_of(Path(name))
            Path(name).replace(_place(cache, number))
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise unkept(cache / DEBIAN, error) from error
    return number


def _place(cache: Path, number: str) -> Path:
    return cache / f"{number.removeprefix('sha256:')}.deb"
