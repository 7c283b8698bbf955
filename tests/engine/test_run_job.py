"""Working in a container: pipes, terminal, ports, Ctrl-C; nothing is left behind."""

import base64
import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from provision.engine.docker import DockerEngine
from provision.engine.protocol import Access, Job, Streams
from provision.errors import BuildError, EngineError

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = pytest.mark.engine
SCRIPT = str(Path(sys.executable).with_name("kgpu-env"))
JUPYTER_IMAGE = "kgpu-test/jupyter:1"


@pytest.fixture(autouse=True)
def _always_removed(api: "APIClient") -> Iterator[None]:
    before = jobs(api)
    yield
    assert jobs(api) - before == set()


def jobs(api: "APIClient") -> set[str]:
    return {one["Id"] for one in api.containers(all=True, filters={"label": "kgpu-env.job"})}


def work(engine: DockerEngine, base: str, script: str, given: bytes = b"", **options: Any) -> tuple[int, str, str]:  # noqa: ANN401 - passed through
    """Run a script with pipes at its ends."""
    job = Job(image=base, command=("sh", "-c", script), user="1234:5678", directory="/tmp", **options)
    pipes = [os.pipe() for _ in range(3)]
    os.write(pipes[0][1], given)
    os.close(pipes[0][1])
    code = engine.run_job(job, Streams(pipes[0][0], pipes[1][1], pipes[2][1]), lambda: None)
    os.close(pipes[1][1])
    os.close(pipes[2][1])
    with os.fdopen(pipes[1][0]) as out, os.fdopen(pipes[2][0]) as err:
        os.close(pipes[0][0])
        return code, out.read(), err.read()


def test_pipes_and_exit_code(engine: DockerEngine, base: str) -> None:
    assert work(engine, base, "cat; echo err >&2; exit 3", b"in\n") == (3, "in\n", "err\n")


def test_user_folder_and_rights(engine: DockerEngine, base: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    script = "id -u; pwd; echo $A; touch /srv/made; grep CapEff /proc/self/status"
    code, out, _ = work(engine, base, script, env={"A": "b c"}, mounts={str(tmp_path): "/srv"})
    assert (code, out.split("\n")[:3]) == (0, ["1234", "/tmp", "b c"])
    assert out.split()[-1] == "0" * 16
    made = (tmp_path / "made").stat()
    assert (made.st_uid, made.st_gid) == (1234, 5678)


def test_a_program_that_the_image_lacks(engine: DockerEngine, base: str) -> None:
    assert work(engine, base, "exec kgpu-none")[0] == 127


def test_an_image_that_is_not_there(engine: DockerEngine) -> None:
    with pytest.raises(BuildError) as caught:
        work(engine, "kgpu-test/none:1", "true")
    assert caught.value.code == "KGE-408"


def test_a_port_in_use(engine: DockerEngine, base: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EngineError) as caught:
            work(engine, base, "true", ports={8888: port})
    assert (caught.value.code, str(port) in caught.value.what) == ("KGE-307", True)


def test_a_device_that_is_not_there(engine: DockerEngine, base: str) -> None:
    with pytest.raises(EngineError) as caught:
        work(engine, base, "true", access=Access(method="device-nodes", nodes=("/dev/kgpu-none",)))
    assert (caught.value.code, "/dev/kgpu-none" in caught.value.why) == ("KGE-308", True)


def command(*words: str, **options: Any) -> "subprocess.Popen[str]":  # noqa: ANN401 - passed through
    environment = {key: value for key, value in os.environ.items() if not key.startswith("KGPU_ENV_")}
    return subprocess.Popen([SCRIPT, *words], env=environment, text=True, **options)


def test_ctrl_c_asks_the_command_to_end(base: str, tmp_path: Path) -> None:
    script = "trap 'echo saved > done; exit 0' TERM; echo ready; sleep 300 & wait"
    words = ("run", f"--image={base}", "--", "sh", "-c", script)
    with command(
        *words, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, "KGE-900" in said) == (130, True)
    assert (tmp_path / "done").read_text() == "saved\n"


def test_the_json_is_alone_on_stdout(base: str, tmp_path: Path) -> None:
    words = ("run", f"--image={base}", "--json", "--", "sh", "-c", "echo talk; exit 5")
    with command(
        *words, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        out, said = process.communicate(timeout=60)
    document = json.loads(out)
    assert (process.returncode, document["exit_code"], document["image"]) == (5, 5, base)
    assert "talk\n" in said


def test_whoever_reads_may_go(base: str, tmp_path: Path) -> None:
    line = f"{SCRIPT} run --image={base} -- yes | head -n 1"
    ran = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.stdout, ran.stderr.count("Error")) == ("y\n", 0)


@pytest.fixture(scope="module")
def jupyter_image(engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The CPU image with JupyterLab; kept, for the cache."""
    words = ("build", "--vendor", "cpu", "--package", "jupyterlab", "--tag", JUPYTER_IMAGE)
    with command(*words, cwd=tmp_path_factory.mktemp("jupyter"), stderr=subprocess.PIPE) as process:
        assert process.wait(timeout=600) == 0, process.communicate()
    assert engine.image(JUPYTER_IMAGE)
    return JUPYTER_IMAGE


def test_jupyter_runs_a_cell_and_stops_cleanly(
    jupyter_image: str, tmp_path: Path, wait_for: Callable[[Callable[[], bool], str], None]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "mine.txt").write_text("x")
    words = ("jupyter", f"--image={jupyter_image}", f"--port={port}", "--json")
    said = (tmp_path / "said").open("w")
    with said, command(*words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=said) as process:
        assert process.stdout
        told = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
        address = urlsplit(told["url"])
        token = parse_qs(address.query)["token"][0]
        assert (address.port, len(token)) == (port, 48)
        refused = call(port, "/api/contents", "wrong")
        assert refused[0] == 403
        assert "mine.txt" in {one["name"] for one in call(port, "/api/contents", token)[1]["content"]}
        kernel = call(port, "/api/kernels", token, b"{}")[1]["id"]
        assert run_cell(port, token, kernel, "import keras; print(6 * 7, keras.__name__)") == "42 keras\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=40) == 130
    assert token not in (tmp_path / "said").read_text()
    wait_for(lambda: not listens(port), "the port's end")


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def call(port: int, path: str, token: str, body: bytes | None = None) -> tuple[int, Any]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {"Authorization": f"token {token}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, None


def run_cell(port: int, token: str, kernel: str, code: str) -> str:
    """Run a cell as the page does, by Jupyter's messages over a WebSocket (RFC 6455), and return what it printed."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13"}
    connection.request("GET", f"/api/kernels/{kernel}/channels?token={token}", headers=upgrade)
    wire = connection.sock
    assert wire
    stream = wire.makefile("rb")
    while stream.readline().strip():
        pass
    header = {"msg_id": "1", "msg_type": "execute_request", "session": "s", "username": "", "version": "5.3"}
    content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
    data = json.dumps(message).encode()
    # A final text frame of a client: its bytes are masked, with zeros.
    wire.sendall(struct.pack(">BBH", 0x81, 0x80 | 126, len(data)) + bytes(4) + data)
    try:
        return printed(stream.read)
    finally:
        stream.close()
        connection.close()


def printed(read: Callable[[int], bytes]) -> str:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        kind, size = struct.unpack(">BB", read(2))
        size = {126: lambda: struct.unpack(">H", read(2))[0], 127: lambda: struct.unpack(">Q", read(8))[0]}.get(
            size, lambda size=size: size
        )()
        payload = read(size)
        message = json.loads(payload) if kind & 0xF == 1 else {}
        if message.get("msg_type") == "stream" and message["content"]["name"] == "stdout":
            return str(message["content"]["text"])
    return ""
