"""Servers on loopback that stand for a company's network: an authority, TLS in front of a socket, proxies, an index."""

import base64
import datetime as dt
import hashlib
import http.server
import ipaddress
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"
_CHUNK = 65536


class Authority:
    """A certificate authority, which writes its own and others' certificates into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("company authority")
        self._certificate = self._signed(self._name, self._key, authority=True)
        self.bundle = folder / "ca.pem"
        self.bundle.write_bytes(_pem(self._certificate))

    def issue(self, host: str) -> tuple[Path, Path]:
        """Return the files of a certificate for a host, and of its key."""
        mark = hashlib.sha256(host.encode()).hexdigest()[:12]
        certificate, key = self.folder / f"{mark}-cert.pem", self.folder / f"{mark}-key.pem"
        if not certificate.exists():
            own = ec.generate_private_key(ec.SECP256R1())
            signed = self._signed(_name(host), own, host=host)
            form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            key.write_bytes(own.private_bytes(serialization.Encoding.PEM, form, plain))
            certificate.write_bytes(_pem(signed))
        return certificate, key

    def server_context(self, host: str) -> ssl.SSLContext:
        """Return what a server of that name speaks TLS with."""
        found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        found.load_cert_chain(*self.issue(host))
        return found

    def _signed(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, *, host: str = "", authority: bool = False
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if host:
            builder = builder.add_extension(x509.SubjectAlternativeName([_alternative(host)]), critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:60])])


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's signature
        """Be silent: clients that go away, or refuse a certificate, are what tests are about."""


@contextmanager
def serving(handler: type[socketserver.BaseRequestHandler], host: str = HOST) -> Iterator[int]:
    """Serve connections on a port of a host, and end when the block is left."""
    with _Server((host, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def pump(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until either side ends."""
    ends = {one: other, other: one}
    while True:
        pending = [end for end in ends if isinstance(end, ssl.SSLSocket) and end.pending()]
        for end in pending or select.select([*ends], [], [], 60)[0]:
            data = end.recv(_CHUNK)
            if not data:
                return
            ends[end].sendall(data)


@contextmanager
def tls_in_front_of(path: str, authority: Authority) -> Iterator[int]:
    """Speak TLS on a port of loopback for what listens on a socket of the file system."""
    context = authority.server_context(HOST)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with (
                suppress(OSError),
                context.wrap_socket(self.request, server_side=True) as outer,
                socket.socket(socket.AF_UNIX) as inner,
            ):
                inner.connect(path)
                pump(outer, inner)

    with serving(Handler) as port:
        yield port


@contextmanager
def intercepting_proxy(authority: Authority, seen: list[str], *, refuse: int = 0, host: str = HOST) -> Iterator[int]:
    """Be an HTTP proxy that opens TLS with certificates of the authority, as companies' proxies do.

    Args:
        authority: whose certificates the clients have to trust.
        seen: gets the addresses that were asked for.
        refuse: answer with this status instead.
        host: the address to listen at.
    """
    outside = ssl.create_default_context()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            name, _, port = self.path.rpartition(":")
            seen.append(self.path)
            if refuse:
                self.send_error(refuse)
                return
            self.send_response(200)
            self.end_headers()
            with (
                suppress(OSError),
                socket.create_connection((name, int(port)), timeout=60) as far,
                outside.wrap_socket(far, server_hostname=name) as inner,
                authority.server_context(name).wrap_socket(self.connection, server_side=True) as outer,
            ):
                pump(outer, inner)
            self.close_connection = True

        def do_GET(self) -> None:
            seen.append(self.path)
            if refuse:
                self.send_error(refuse)
                return
            self._forward()

        def _forward(self) -> None:
            from urllib.parse import urlsplit  # noqa: PLC0415 - here alone

            parts = urlsplit(self.path)
            with (
                suppress(OSError),
                socket.create_connection((parts.hostname or "", parts.port or 80), timeout=60) as far,
            ):
                path = parts.path + (f"?{parts.query}" if parts.query else "")
                lines = [f"{self.command} {path} HTTP/1.0", *(f"{key}: {value}" for key, value in self.headers.items())]
                far.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
                while data := far.recv(_CHUNK):
                    self.wfile.write(data)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Be silent."""

    with serving(Handler, host) as port:
        yield port


@contextmanager
def private_index(
    files: dict[str, bytes], login: str, *, status: int = 401, host: str = HOST, context: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Be a package index (PEP 503) for those who know "user:password".

    Args:
        files: wheels by their names.
        login: user and password.
        status: what all others are answered.
        host: the address to listen at.
        context: speak TLS with this; None: plain HTTP.
    """
    wanted = "Basic " + base64.b64encode(login.encode()).decode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def setup(self) -> None:
            if context:
                self.request = context.wrap_socket(self.request, server_side=True)
            super().setup()

        def do_GET(self) -> None:
            if self.headers.get("Authorization") != wanted:
                self.send_response(status)
                self.send_header("WWW-Authenticate", 'Basic realm="index"')
                self.end_headers()
                return
            name = self.path.rstrip("/").rpartition("/")[2]
            self._answer(files[name] if name in files else self._links(name), page=name not in files)

        def do_HEAD(self) -> None:
            self.do_GET()

        def _links(self, project: str) -> bytes:
            mine = [name for name in files if name.partition("-")[0].replace("_", "-") == project]
            return "".join(
                f'<a href="/files/{name}#sha256={hashlib.sha256(files[name]).hexdigest()}">{name}</a>\n'
                for name in mine
            ).encode()

        def _answer(self, body: bytes, *, page: bool) -> None:
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html" if page else "application/octet-stream")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Be silent."""

    with serving(Handler, host) as port:
        yield port


def wheel(name: str, version: str, text: str = "", module: str = "") -> dict[str, bytes]:
    """Return a wheel of one module, by its file name."""
    import io  # noqa: PLC0415 - here alone
    import zipfile  # noqa: PLC0415 - here alone

    buffer, info = io.BytesIO(), f"{name}-{version}.dist-info"
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"{module or name}.py", text)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(
            f"{info}/RECORD", f"{module or name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"
        )
    return {f"{name}-{version}-py3-none-any.whl": buffer.getvalue()}
