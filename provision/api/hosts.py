"""The host, probed or read from a file, and its container engine."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

import provision.catalogue as facts
from provision import model
from provision.errors import EngineError, InputError
from provision.files import LIMIT, read_file

if TYPE_CHECKING:
    from provision.engine.image_probe import LocalImage
    from provision.engine.protocol import Engine


def probe_host(root: Path | None = None, *, catalogue: facts.Catalogue | None = None) -> model.Host:
    """Return this machine as probed, its container engine included; or the captured tree below `root`.

    Args:
        root: files alone are read, what tools said when it was captured included, and no tool is run; `Path("/")` reads
            this machine so.
        catalogue: names GPUs and AMD driver releases; by default the one that ships.

    Raises:
        InputError: KGE-119, `root` is not the tree of a host.
    """
    from provision import probe  # noqa: PLC0415 - 14 ms

    lookups = probe.lookups_of(catalogue or facts.load())
    return probe.probe_captured(root, lookups) if root else probe.probe_host(lookups, engine=_describe)


def probe_capture(path: Path, *, catalogue: facts.Catalogue | None = None) -> model.Host:
    """Return the host of a packed capture, as `capture` wrote it.

    Raises:
        InputError: KGE-940, the file is no capture; KGE-119, it holds no machine.
    """
    import tempfile  # noqa: PLC0415 - 3 ms

    from provision.probe.unpack import unpack  # noqa: PLC0415 - 14 ms

    with tempfile.TemporaryDirectory(prefix="kgpu-env.") as folder:
        unpack(path, Path(folder))
        try:
            return probe_host(Path(folder), catalogue=catalogue)
        except InputError as error:
            raise InputError(error.code, f"{path} holds no machine.", cause=error.cause, fix=error.fix) from error


def capture(root: Path | None = None) -> bytes:
    """Return an archive (tar, gzip) of what a probe reads of this machine, and of what the vendors' tools say.

    Names and serial numbers are in it, secrets are not; `report` writes an archive without names.

    Args:
        root: another machine's tree; the tools are not asked then.
    """
    from provision.probe import collector  # noqa: PLC0415 - 14 ms

    return collector.capture(str(root.resolve() if root else "/"))


def read_host(path: Path) -> model.Host:
    """Return the host that a file describes, as `kgpu-env probe --json` wrote it; "-" is this process's input.

    Raises:
        InputError: KGE-606, unreadable; KGE-607, not a host document.
    """
    fix = "make one with kgpu-env probe --json > host.json on that machine"
    try:
        text = sys.stdin.buffer.read(LIMIT) if str(path) == "-" else read_file(path)
    except OSError as error:
        raise InputError(
            "KGE-606", f"The host file {path} cannot be read.", cause=error.strerror or "", fix=fix
        ) from error
    try:
        return model.decode(text, model.Host)
    except msgspec.MsgspecError as error:
        raise InputError("KGE-607", f"{path} is not a host document.", cause=str(error), fix=fix) from error


@contextmanager
def engine(given: "Engine | None" = None) -> "Iterator[Engine]":
    """Lend the engine that is `given`; or connect to the first that answers, and close the connection at the end.

    It is looked for where this process's environment says (DOCKER_HOST), then at the usual sockets.

    Raises:
        EngineError: KGE-301, none answers; KGE-302, its socket may not be opened.
    """
    from provision.engine.docker import connect  # noqa: PLC0415 - 14 ms

    found = given or connect()
    try:
        yield found
    finally:
        if given is None:
            found.close()


def _describe() -> model.Engine | None:
    try:
        with engine() as found:
            return found.describe()
    except EngineError:
        return None


def image_names() -> list[str]:
    """Return the names of the images that an engine at a local socket has.

    Raises:
        OSError, EngineError: as of `local_image`.
    """
    from provision.engine import connection, image_probe  # noqa: PLC0415 - 14 ms

    return image_probe.image_names(connection.candidates(os.environ, os.getuid()))


def local_image(image: str) -> "LocalImage | None":
    """Return what an engine at a local socket tells of an image at once; None: it has no such image.

    Raises:
        OSError: no engine answers where docker's settings say, or at a usual socket.
        EngineError: KGE-321, docker's context cannot be used.
    """
    from provision.engine import connection, image_probe  # noqa: PLC0415 - 14 ms

    return image_probe.probe_image(image, connection.candidates(os.environ, os.getuid()))
