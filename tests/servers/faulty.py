"""A server on loopback that fails in one way: of files, or in front of a registry that works."""

import http.client
import http.server
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, NamedTuple

from loopback import HOST, serving

# hang: it takes the request and is silent; cut: it promises more than it sends; flip: one bit is another;
# garbage: a page of somebody else; slow: a piece now and then; a number: that status
How = Literal["", "hang", "reset", "cut", "flip", "garbage", "slow", "401", "404", "500", "503"]
PASSED = ("content-type", "docker-content-digest", "docker-distribution-api-version", "www-authenticate")
PIECES = 20
PAGE = b"<html><body>Welcome to the router of this building</body></html>"


class Fault(NamedTuple):
    """What goes wrong."""

    how: How = ""
    where: str = "."  # expression of the paths at which it does
    times: int = 1 << 30  # how often; then all is well
    seconds: float = 2.0  # how long a slow answer takes


class Served:
    """A server that runs: its address, and what was asked."""

    def __init__(self) -> None:
        self.port = 0
        self.seen: list[str] = []
        self.failed = 0
        self.closed = threading.Event()

    @property
    def host(self) -> str:
        """HOST:PORT."""
        return f"{HOST}:{self.port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers, and fails; a class of its own for each server has what follows."""

    served: Served
    fault: Fault
    files: Mapping[str, bytes]
    upstream: str

    def do_GET(self) -> None:
        self.served.seen.append(f"{self.command} {self.path}")
        wrong = self.fault.how and re.search(self.fault.where, self.path) and self.served.failed < self.fault.times
        if wrong:
            self.served.failed += 1
            self._fail()
        else:
            self._answer(*self._found())

    do_HEAD = do_POST = do_PUT = do_PATCH = do_GET  # noqa: N815 - as the base class names them

    def _found(self) -> tuple[int, dict[str, str], bytes]:
        if self.upstream:
            return self._far()
        content = self.files.get(self.path)
        kind = "text/html" if self.path.endswith("/") else "application/octet-stream"
        return (404 if content is None else 200), {"content-type": kind}, content or b""

    def _far(self) -> tuple[int, dict[str, str], bytes]:
        far = http.client.HTTPConnection(self.upstream, timeout=60)
        far.request(self.command, self.path, headers={"Accept": ", ".join(self.headers.get_all("Accept", ["*/*"]))})
        answer = far.getresponse()
        kept = {key.lower(): value for key, value in answer.getheaders() if key.lower() in PASSED}
        size = answer.getheader("Content-Length") or "0"
        content = answer.read()
        far.close()
        return answer.status, kept | ({"content-length": size} if self.command == "HEAD" else {}), content

    def _answer(self, status: int, headers: Mapping[str, str], content: bytes, sent: int | None = None) -> None:
        self.send_response(status)
        for key, value in ({"content-length": str(len(content))} | dict(headers)).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[:sent])

    def _fail(self) -> None:
        self.close_connection = True
        match self.fault.how:
            case "hang":
                self.served.closed.wait(600)
            case "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            case "garbage":
                self._answer(200, {"content-type": "text/html"}, PAGE)
            case "cut" | "flip" | "slow":
                self._spoil(*self._found())
            case _:
                self._answer(int(self.fault.how), {"content-type": "text/plain"}, b"out of order")

    def _spoil(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        middle = len(content) // 2
        if self.fault.how == "cut":
            self._answer(status, headers, content, middle)
        elif self.fault.how == "flip" and content:
            self._answer(status, headers, content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        else:
            self._answer(status, headers, content, 0)
            step = len(content) // PIECES + 1
            for at in range(0, len(content) if self.command != "HEAD" else 0, step):
                time.sleep(self.fault.seconds / PIECES)
                self.wfile.write(content[at : at + step])

    def log_message(self, *_: object) -> None:
        """Be silent."""


@contextmanager
def faulty(fault: Fault, files: Mapping[str, bytes] | None = None, upstream: str = "") -> Iterator[Served]:
    """Serve files by their paths, or what another server has, with a fault."""
    served = Served()
    own = {"served": served, "fault": fault, "files": files or {}, "upstream": upstream}
    with serving(type("Handler", (_Handler,), own)) as port:
        served.port = port
        try:
            yield served
        finally:
            served.closed.set()
