"""Working in a container: pipes, terminal, ports, Ctrl-C; nothing is left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import Access, Job, Streams
from provision.errors import BuildError, EngineError
from provision.model import Mount

if TYPE_CHECKING:
    from docker import APIClient

Window = Any  # the class of conftest.py
pytestmark = pytest.mark.engine
SCRIPT = str(Path(sys.executable).with_name("kgpu-env"))


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


def test_a_terminal_has_its_size_before_anybody_hears_of_the_start(
    engine: DockerEngine, api: "APIClient", base: str, window: Window
) -> None:
    before, seen = jobs(api), []

    def look() -> None:
        (ident,) = jobs(api) - before
        asked = api.exec_create(ident, ["stty", "--file=/dev/console", "size"], user="1234:5678")
        seen.append(api.exec_start(asked["Id"]))
        api.kill(ident)

    job = Job(image=base, command=("sleep", "60"), user="1234:5678", directory="/tmp", terminal=True)
    assert engine.run_job(job, window.streams, look) == 137
    assert seen == [b"33 101\n"]


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
    assert (caught.value.code, str(port) in caught.value.text) == ("KGE-307", True)


def test_a_device_that_is_not_there(engine: DockerEngine, base: str) -> None:
    with pytest.raises(EngineError) as caught:
        work(engine, base, "true", access=Access(method="device-nodes", nodes=("/dev/kgpu-none",)))
    assert (caught.value.code, "/dev/kgpu-none" in caught.value.cause) == ("KGE-308", True)


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


def test_the_user_has_a_name_inside(engine: DockerEngine, base: str) -> None:
    script = "id -un; tail -1 /etc/passwd; stat -c %u:%a /etc/passwd"
    code, out, _ = work(engine, base, script, name="keras", env={"HOME": "/tmp"})
    assert (code, out.split("\n")[:3]) == (0, ["keras", "keras:x:1234:5678::/tmp:/bin/sh", "0:644"])


def test_folders_ports_and_sizes_that_were_asked_for(engine: DockerEngine, base: str, tmp_path: Path) -> None:
    (tmp_path / "told").write_text("yes\n")
    tmp_path.chmod(0o755)
    folders = (Mount(source=str(tmp_path), target="/data", read_only=True),)
    script = "cat /data/told; touch /data/x 2>/dev/null || echo kept; df -k --output=size /dev/shm | tail -1"
    code, out, _ = work(engine, base, script, folders=folders, shm_bytes=1 << 31)
    assert (code, out.split()) == (0, ["yes", "kept", str(1 << 21)])


def test_a_folder_that_is_not_there_is_named(engine: DockerEngine, base: str, tmp_path: Path) -> None:
    folders = (Mount(source=str(tmp_path / "none"), target="/data"),)
    with pytest.raises(EngineError, match=r"there is no folder .*/none to mount") as raised:
        work(engine, base, "true", folders=folders)
    assert "--mount" in raised.value.fix
