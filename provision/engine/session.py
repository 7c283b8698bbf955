"""What a person finds inside of a job's container before it starts: a name, and a Python to install into.

It is put into the container's own layer and goes with it; the image stays as it is.
"""

import io
import tarfile
from collections.abc import Iterator
from pathlib import PurePosixPath as Path

from docker import APIClient
from docker.errors import APIError, NotFound

from provision.engine.protocol import Job

_USERS = "etc/passwd"
# `python -m pip` and `%pip` of a notebook, where an image has no pip of its own.
_PIP = 'import os, sys\nos.execvp("uv", ["uv", "pip", *sys.argv[1:]])\n'
_SHIM = '#!/bin/sh\nexec uv pip "$@"\n'


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
