"""What a person finds inside of a job's container before it starts: a name, a Python to install into, an index.

It is put into the container's own layer and goes with it, what may hold a login into a mount; the image stays as it is.
"""

import fcntl
import io
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path as HostPath
from pathlib import PurePosixPath as Path

from docker import APIClient
from docker.errors import APIError, NotFound
from msgspec.structs import replace

from provision.engine.protocol import Job
from provision.locks import locked, remove_unlocked
from provision.model import Mount
from provision.model.inside import CONSTRAINTS, NETWORK

_PARENT = "kgpu-env-inside"  # of the folders that jobs get, in the user's folder of caches
_USERS = "etc/passwd"
# `python -m pip` and `%pip` of a notebook, where an image has no pip of its own.
# Versions that the image's framework was resolved with stay: their folders are root's, and the proof is theirs.
_PIP = f"""import os, sys
if os.path.exists({CONSTRAINTS!r}):
    os.environ.setdefault("UV_CONSTRAINT", {CONSTRAINTS!r})
os.execvp("uv", ["uv", "pip", *sys.argv[1:]])
"""
_SHIM = '#!/bin/sh\nexec python3 -m pip "$@"\n'


@contextmanager
def handed_in(job: Job) -> Iterator[Job]:
    """Yield the job with its network's files as a mount, which ends with it: no layer and no description holds them.

    On this host nobody else reaches them; inside whoever the job runs as can read them.
    """
    if not job.network:
        yield job
        return
    with _closed() as closed:
        folder = closed / "network"
        folder.mkdir()
        folder.chmod(0o755)
        for name, content in job.network.items():
            (folder / name).write_bytes(content)
            (folder / name).chmod(0o644)
        yield replace(job, folders=(*job.folders, Mount(source=str(folder), target=NETWORK, read_only=True)))


@contextmanager
def _closed() -> Iterator[HostPath]:
    """Yield a folder that this user alone can open; those of commands that were killed are removed first."""
    # Below the home: an engine of a snap sees no folder of /tmp.
    parent = HostPath.home() / ".cache" / _PARENT
    try:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:  # no home that can be written
        with tempfile.TemporaryDirectory(prefix="kgpu-env-") as name:
            yield HostPath(name)
        return
    with ExitStack() as held:
        with locked(parent, fcntl.LOCK_EX):  # nobody takes the new folder for one that was left
            for left in parent.iterdir():
                remove_unlocked(left)
            folder = HostPath(tempfile.mkdtemp(dir=parent))
            held.enter_context(locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB))
            held.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder


def furnish(api: APIClient, ident: str, job: Job) -> None:
    """Give a created container a line of passwd for its user, and its user the folders that packages go into."""
    try:
        members = [*_name(api, ident, job), *_packages(api, ident, job)]
        if members:
            api.put_archive(ident, "/", _tar(members))
    except APIError:  # an engine without archives, or a read-only container: the work can go on without
        return


def _name(api: APIClient, ident: str, job: Job) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    uid, gid = job.user.split(":")
    if not job.name:
        return
    text = _read(api, ident, _USERS)
    if text is None or any(line.split(":")[2:3] == [uid] for line in text.splitlines()):
        return
    end = "" if text.endswith("\n") or not text else "\n"
    line = f"{text}{end}{job.name}:x:{uid}:{gid}::{job.env.get('HOME', '/')}:/bin/sh\n"
    yield _file(_USERS, 0o644, "0:0"), line.encode()


def _packages(api: APIClient, ident: str, job: Job) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Yield the environment's folders, as the user's own, and a pip where there is none."""
    if not job.packages:
        return
    site, venv = Path(job.packages), Path(job.packages).parents[2]
    for folder in (venv, venv / "bin", site):
        member = _file(str(folder)[1:], 0o755, job.user)
        member.type = tarfile.DIRTYPE
        yield member, b""
    if _read(api, ident, f"{str(site)[1:]}/pip/__init__.py") is None:
        yield _file(f"{str(site)[1:]}/pip/__init__.py", 0o644, job.user), b""
        yield _file(f"{str(site)[1:]}/pip/__main__.py", 0o644, job.user), _PIP.encode()
        yield _file(f"{str(venv)[1:]}/bin/pip", 0o755, job.user), _SHIM.encode()


def _read(api: APIClient, ident: str, path: str) -> str | None:
    """Return a file of the container, None where there is none."""
    try:
        chunks, _ = api.get_archive(ident, f"/{path}")
    except NotFound:
        return None
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        member = archive.extractfile(archive.next() or path)
        return member.read().decode(errors="surrogateescape") if member else None


def _file(path: str, mode: int, owner: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.mode = mode
    member.uid, member.gid = map(int, owner.split(":"))
    return member


def _tar(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member, data in members:
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data) if data else None)
    return buffer.getvalue()
