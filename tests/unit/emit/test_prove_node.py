"""The script that proves a Kubernetes node: what it writes, to whom, and when nobody is tainted."""

import datetime as dt
import http.server
import ipaddress
import json
import ssl
import sys
import threading
import urllib.error
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from trees import script

prove = script(Path(__file__).parents[3] / "templates" / "kubernetes" / "prove_node.py")
KEY = "io.kgpu-env."
TAINT = {"key": f"{KEY}not-proved", "effect": "NoSchedule"}
OTHERS = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}


class Cluster:
    """Nodes as the API keeps them: a merge patch of an old version is refused."""

    def __init__(self, count: int, tainted: int = 0) -> None:
        self.nodes = {f"gpu{n}": self.node(f"gpu{n}", tainted=1 <= n <= tainted) for n in range(count)}
        self.calls: list[str] = []
        self.meanwhile: list[Any] = []  # what others do before the next patches

    @staticmethod
    def node(name: str, *, tainted: bool) -> dict[str, Any]:
        meta = {"name": name, "resourceVersion": "1", "labels": {"a": "b"}, "annotations": {}}
        return {"metadata": meta, "spec": {"taints": [OTHERS, TAINT] if tainted else [OTHERS]}}

    def __call__(self, method: str, name: str = "", patch: dict[str, Any] | None = None) -> dict[str, Any]:
        self.calls.append(f"{method} {name}".strip())
        if not name:
            return {"items": list(self.nodes.values())}
        found = self.nodes[name]
        if patch is not None:
            if self.meanwhile:
                self.meanwhile.pop(0)()
            if patch["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
                raise urllib.error.HTTPError("", 409, "Conflict", Message(), None)
            for part in ("labels", "annotations"):
                found["metadata"][part] |= patch["metadata"][part]
            found["spec"] |= patch.get("spec", {})
            self.touch(name)
        return json.loads(json.dumps(found))  # type: ignore[no-any-return] # a copy of what was given

    def touch(self, name: str) -> None:
        meta = self.nodes[name]["metadata"]
        meta["resourceVersion"] = str(int(meta["resourceVersion"]) + 1)

    def taints(self, name: str = "gpu0") -> list[dict[str, str]]:
        return list(self.nodes[name]["spec"]["taints"])

    def label(self, name: str = "gpu0") -> str:
        return str(self.nodes[name]["metadata"]["labels"][f"{KEY}proof"])


def answer(cluster: Cluster, *, proved: bool, share: int | None = None) -> str:
    return str(prove.answer(prove.Node(cluster, "gpu0", KEY), share, proved, {"answer": "trained"}))


def test_a_proof_is_a_label_and_takes_our_taint_alone() -> None:
    cluster = Cluster(3)
    cluster.nodes["gpu0"]["spec"]["taints"].append(TAINT)
    assert answer(cluster, proved=True) == ""
    assert (cluster.label(), cluster.taints()) == ("proved", [OTHERS])
    assert cluster.nodes["gpu0"]["metadata"]["labels"]["a"] == "b"
    assert cluster.nodes["gpu0"]["metadata"]["annotations"] == {f"{KEY}answer": "trained"}


def test_a_taint_with_a_value_is_of_another_proof_and_stays() -> None:
    valued = {**TAINT, "value": "KGE-586"}
    cluster = Cluster(20)
    cluster.nodes["gpu0"]["spec"]["taints"].append(valued)
    answer(cluster, proved=True)
    assert (cluster.label(), cluster.taints()) == ("proved", [OTHERS, valued])
    assert answer(cluster, proved=False, share=10).startswith("tainted before")
    assert cluster.taints() == [OTHERS, valued]  # one of each key and effect: the API refuses a second


def test_a_failed_proof_takes_no_taint_of_before() -> None:
    cluster = Cluster(10, 5)  # the share is full
    cluster.nodes["gpu0"]["spec"]["taints"].append(TAINT)
    assert answer(cluster, proved=False, share=10).startswith("tainted before")
    assert (cluster.label(), cluster.taints()) == ("not-proved", [OTHERS, TAINT])


def test_nothing_is_tainted_by_default() -> None:
    cluster = Cluster(3)
    assert "off" in answer(cluster, proved=False)
    assert (cluster.label(), cluster.taints()) == ("not-proved", [OTHERS])
    assert "GET" not in cluster.calls
    cluster.nodes["gpu0"]["spec"]["taints"].append(TAINT)  # nor is a taint taken away without a proof
    answer(cluster, proved=False)
    assert TAINT in cluster.taints()


@pytest.mark.parametrize(
    ("nodes", "tainted", "share", "more"),
    [(10, 0, 10, True), (10, 1, 10, False), (9, 0, 10, False), (1, 0, 10, True), (20, 1, 10, True)],
)
def test_no_more_than_the_share_is_tainted(nodes: int, tainted: int, share: int, *, more: bool) -> None:
    cluster = Cluster(nodes, tainted)
    said = answer(cluster, proved=False, share=share)
    assert (TAINT in cluster.taints(), said.startswith("tainted")) == (more, more)
    assert cluster.label() == "not-proved"


def test_nodes_that_fail_at_the_same_moment_are_not_all_tainted() -> None:
    cluster = Cluster(10)

    def another() -> None:
        cluster.nodes["gpu5"]["spec"]["taints"].append(TAINT)

    cluster.meanwhile = [another]  # after this node has looked, and before its taint
    assert "more than 10 %" in answer(cluster, proved=False, share=10)
    assert cluster.taints() == [OTHERS]


def test_what_others_write_at_the_same_moment_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prove.time, "sleep", lambda _: None)
    cluster = Cluster(3)

    def another() -> None:
        cluster.nodes["gpu0"]["spec"]["taints"].append({"key": "x", "effect": "NoExecute"})
        cluster.touch("gpu0")

    cluster.meanwhile = [another]
    assert answer(cluster, proved=True) == ""
    assert cluster.calls.count("PATCH gpu0") == 2
    assert {"key": "x", "effect": "NoExecute"} in cluster.taints()
    cluster.meanwhile = [another] * 99
    with pytest.raises(urllib.error.HTTPError):
        answer(cluster, proved=True)


class Server:
    """An API server on loopback with a certificate of its own, and an account of a pod."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
        now = dt.datetime.now(dt.timezone.utc)
        day, place = dt.timedelta(days=1), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        made = made.serial_number(1).not_valid_before(now - day).not_valid_after(now + day)
        made = made.add_extension(x509.SubjectAlternativeName([place]), critical=False)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        private = serialization.PrivateFormat.PKCS8
        (folder / "ca.crt").write_bytes(pem)
        (folder / "server.pem").write_bytes(
            pem + key.private_bytes(serialization.Encoding.PEM, private, serialization.NoEncryption())
        )
        (folder / "token").write_text("secret\n")
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(cluster))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem")
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.thread = threading.Thread(target=self.http.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


def handler(cluster: Cluster) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            allowed = self.headers["Authorization"] == "Bearer secret" and self.path.startswith("/api/v1/nodes")
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if body and self.headers["Content-Type"] != "application/merge-patch+json":
                allowed = False
            name = self.path.removeprefix("/api/v1/nodes").strip("/")
            found = cluster(self.command, name, json.loads(body) if body else None) if allowed else {}
            self.send_response(200 if allowed else 403)
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

        do_GET = do_PATCH = answer  # noqa: N815 - as http.server calls them

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    found = Cluster(10)
    server = Server(tmp_path, found)
    monkeypatch.setattr(prove, "ACCOUNT", tmp_path)
    monkeypatch.setattr(prove.Api.__init__, "__defaults__", (tmp_path,))
    monkeypatch.setattr(prove, "READY", tmp_path / "ready")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.http.server_port))
    monkeypatch.setenv("NODE_NAME", "gpu0")
    yield found
    server.close()


def run(monkeypatch: pytest.MonkeyPatch, *words: str, check: str) -> int:
    options = ["prove", f"--key={KEY}", "--image=kgpu-env/cuda:x", *words, "--", sys.executable, "-c", check]
    monkeypatch.setattr(sys, "argv", options)
    return int(prove.main())


@pytest.mark.process
@pytest.mark.parametrize(("code", "label"), [(0, "proved"), (1, "not-proved"), (9, "not-proved")])
def test_over_tls_with_the_account_of_the_pod(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int, label: str
) -> None:
    # The check itself sees that the label is no longer that of an earlier proof.
    cluster.nodes["gpu0"]["metadata"]["labels"][f"{KEY}proof"] = "proved"
    text = f"print('a word'); print('trained on the GPU --expect=x'); raise SystemExit({code})"
    assert run(monkeypatch, "--taint=yes", check=text) == min(code, 1)
    assert cluster.label() == label
    assert (TAINT in cluster.taints()) is (code != 0)
    notes = cluster.nodes["gpu0"]["metadata"]["annotations"]
    assert notes[f"{KEY}answer"] == "trained on the GPU --expect=x"
    assert (notes[f"{KEY}image"], len(notes[f"{KEY}at"])) == ("kgpu-env/cuda:x", 20)
    assert notes[f"{KEY}boot"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert capsys.readouterr().out.startswith("trained on the GPU")
    assert cluster.calls[:2] == ["GET gpu0", "PATCH gpu0"]


@pytest.mark.process
def test_while_the_check_runs_nothing_is_proved(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cluster.nodes["gpu0"]["metadata"]["labels"][f"{KEY}proof"] = "proved"
    seen: list[str] = []

    def check(*_: object, **__: object) -> Ended:
        seen.append(cluster.label())
        return Ended()

    monkeypatch.setattr(prove.subprocess, "run", check)
    (tmp_path / "ready").touch()
    assert run(monkeypatch, check="") == 1
    assert (seen, (tmp_path / "ready").exists()) == (["pending"], False)


class Ended:
    returncode, stdout = 1, ""


@pytest.mark.process
def test_an_account_without_rights_is_told(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "token").write_text("another")
    assert run(monkeypatch, check="") == 2
    assert "cannot be written on the node: HTTP Error 403" in capsys.readouterr().out
    assert cluster.calls == []
