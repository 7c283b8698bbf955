"""Debian packages in a bundle: apt fetches them for the base in a build, and their files are taken out of its image."""

import re
import tarfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote

from provision.bundle.layout import blobs_of, to_layout
from provision.engine.network import BuildNetwork
from provision.engine.protocol import Context, Engine
from provision.errors import EngineError
from provision.model.inventory import DebianPackage
from provision.render.dockerfile import DEBIAN, fetching

# https://www.debian.org/doc/debian-policy/ch-controlfields.html; in a file's name a colon is %3a.
_FILE: Final = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9+.-]+)_(?P<version>[A-Za-z0-9.+~%-]+)_(?P<architecture>[a-z0-9-]+)\.deb", flags=re.ASCII
)


class DebianFile(NamedTuple):
    """A package as a file."""

    package: DebianPackage
    path: Path  # named after it, without its version, which may have what no part of a bundle is called by


def fetch_debian(
    engine: Engine, base: str, words: Sequence[str], network: BuildNetwork, folder: Path
) -> tuple[DebianFile, ...]:
    """Return packages with all that a base lacks for them, as apt in that base finds, checks and fetches them.

    Args:
        engine: has the base.
        base: its name.
        words: "hello", or "hello=2.10-3".
        network: the way to the mirror.
        folder: an empty one, for the files.

    Raises:
        BuildError: KGE-401, apt does not get them; and as of a build.
        EngineError: KGE-305, what the engine saved is not understood.
    """
    name = f"kgpu-env/{DEBIAN}:{uuid.uuid4().hex[:12]}"
    files = {"Dockerfile": fetching(base, words, network.files).encode(), **network.files}
    context = Context(files=files, host_network=network.host_network)
    engine.build(context, name, lambda _: None, network.arguments)
    try:
        engine.save(name, folder / "fetched.tar")
    finally:
        engine.remove(name)
    return tuple(_unpacked(folder / "fetched.tar", folder))


def _unpacked(archive: Path, folder: Path) -> Iterator[DebianFile]:
    saved = to_layout(archive, folder / "layout")
    try:
        for layer in blobs_of(folder / "layout", saved.image_id)[1:]:
            with tarfile.open(layer, "r:") as tar:
                for member in tar:
                    match = _FILE.fullmatch(member.name)
                    file = tar.extractfile(member) if match else None
                    if match and file:
                        found = match.groupdict() | {"version": unquote(match["version"])}
                        path = folder / f"{match['name']}_{match['architecture']}.deb"
                        path.write_bytes(file.read())
                        yield DebianFile(DebianPackage(**found), path)
    except (tarfile.TarError, OSError, ValueError, KeyError, TypeError) as error:
        what = "the engine saved Debian packages in a form that is not understood"
        raise EngineError("KGE-305", what, cause=str(error)) from error
