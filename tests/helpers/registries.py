"""A registry on loopback, which Docker takes without TLS: Debian's docker-registry, with htpasswd on request."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER, PASSWORD = "me", "registry-s3cret"
# Of PASSWORD, as htpasswd -B makes it.
HASH = "$2b$04$EWOjUY9V/d1E9FLCLaHuWOZw8a5bP9AAaIpcZ9moonJhyoR/Pmn0."
_SECONDS = 20


@contextmanager
def registry_in(folder: Path, *, login: bool = False) -> Iterator[str]:
    """Yield HOST:PORT of a registry that has its files in a folder; on request it wants USER's login."""
    folder.mkdir(exist_ok=True)
    (folder / "htpasswd").write_text(f"{USER}:{HASH}\n")
    access = f"auth: {{htpasswd: {{realm: company, path: {folder}/htpasswd}}}}\n" if login else ""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "config.yml").write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n"
        f"log: {{level: error}}\n{access}"
    )
    program = shutil.which("docker-registry")
    assert program, "the engine tests need a registry: apt-get install docker-registry"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OTEL")}
    command = [program, "serve", str(folder / "config.yml")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            end = time.monotonic() + _SECONDS
            while not _listens(port):
                assert time.monotonic() < end, "the registry does not start"
                time.sleep(0.05)
            yield f"127.0.0.1:{port}"
        finally:
            server.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
