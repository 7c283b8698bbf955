"""`doctor` with a real engine: a healthy one, and faults that are really made. GPUs are those of stored hosts."""

import io
import os
import signal
import struct
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from provision import api
from provision.engine.docker import connect
from provision.engine.docker_engine import DockerEngine
from provision.errors import KgpuError
from provision.model import GPU_VENDORS, Host, Toolkit, Vendor, decode
from provision.model.examination import Examination
from provision.probe.findings import no_toolkit

pytestmark = pytest.mark.engine
HOSTS = Path(__file__).parents[1] / "data" / "hosts"
AARCH64 = 183  # e_machine of elf(5)


def host(engine: DockerEngine, name: str = "h100-580", **fields: Any) -> Host:  # noqa: ANN401 - of several types
    """A stored host with the engine of this machine."""
    return replace(decode((HOSTS / f"{name}.json").read_bytes(), Host), engine=engine.describe(), **fields)


def rung(found: Examination, name: str) -> tuple[str, str]:
    return next((step.state, step.detail) for step in found.steps if step.rung == name)


def test_on_a_healthy_host_a_container_is_started_and_nothing_is_wrong(
    engine: DockerEngine, base: str, leftovers: Callable[[], list[str]]
) -> None:
    here = Host(engine=engine.describe())
    began = time.monotonic()
    found = api.examine_host(here, image=base, engine=engine)
    assert time.monotonic() - began < 30
    assert (found.primary, found.findings) == (None, ())
    assert rung(found, "engine") == ("ok", f"docker {engine.describe().version}, started {base}")
    assert leftovers() == []


def test_an_image_that_is_not_local_is_said_and_not_pulled(engine: DockerEngine) -> None:
    found = api.examine_host(Host(engine=engine.describe()), image="kgpu-test/nowhere:1", engine=engine)
    assert found.primary is None
    state, detail = rung(found, "engine")
    assert state == "not known"
    assert "kgpu-test/nowhere:1: it is not a local image" in detail
    assert engine.image("kgpu-test/nowhere:1") is None


def test_a_toolkit_that_no_engine_was_told_of(engine: DockerEngine, base: str) -> None:
    """The device request is refused, by the engine's own words."""
    toolkits = (Toolkit(name="nvidia-container-toolkit", path="/usr/bin/nvidia-ctk"),)
    found = api.examine_host(host(engine, toolkits=toolkits), image=base, engine=engine)
    assert found.start
    assert found.start.started is False
    assert "could not select device driver" in found.start.text
    assert found.primary
    assert found.primary.code == "KGE-510"
    assert "sudo nvidia-ctk runtime configure --runtime=docker" in " ".join(found.commands)
    assert rung(found, "engine")[0] == "broken"


@pytest.mark.parametrize(
    ("distribution", "command"),
    [
        ("ubuntu 24.04", "sudo apt-get install nvidia-container-toolkit"),
        ("rocky 9.5", "sudo dnf install nvidia-container-toolkit"),
    ],
)
def test_no_toolkit_at_all(engine: DockerEngine, base: str, distribution: str, command: str) -> None:
    """The refusal is explained by what the probe saw, and mended as this distribution does it."""
    lacks = no_toolkit(GPU_VENDORS[Vendor.CUDA])
    here = host(engine, toolkits=(), findings=(lacks,), distribution=distribution)
    found = api.examine_host(here, image=base, engine=engine)
    assert found.primary == lacks
    assert found.commands[0] == command
    assert [message.code for message in found.messages] == ["KGE-510"]


def test_the_socket_of_somebody_else(kgpu_env: Any, engine: DockerEngine) -> None:  # noqa: ANN401 - the class of conftest.py
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    address = engine.describe().address
    ended = kgpu_env("doctor", env={"DOCKER_HOST": address, "HOME": "/"}, before=nobody, cwd="/")
    assert ended.returncode == 3, ended.stderr
    assert ended.stdout.startswith("PRIMARY   KGE-302 error: the engine's socket")
    assert "run: sudo usermod -aG docker $USER" in ended.stdout
    assert "check: docker info" in ended.stdout


@pytest.fixture
def dead() -> Iterator[str]:
    """The socket of a dockerd that was killed: the file is there, and nobody listens."""
    with tempfile.TemporaryDirectory(prefix="kgpu-dead-") as name:
        folder = Path(name)
        address = f"unix://{folder}/docker.sock"
        options = [f"--{key}={folder / key}" for key in ("data-root", "exec-root", "pidfile")]
        # In a network of its own: also with --bridge=none a dockerd deletes the docker0 that it finds.
        command = ["unshare", "--net", "dockerd", f"--host={address}", *options, "--bridge=none", "--iptables=false"]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
            wait(address, process)
            process.kill()
            process.wait()
        orphan = folder / "exec-root" / "containerd" / "containerd.pid"  # what it had started
        if orphan.exists():
            end(int(orphan.read_text()))
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            if Path(line.split()[1]).is_relative_to(folder):
                subprocess.run(["umount", "--lazy", line.split()[1]], check=True)
        yield address


def end(number: int) -> None:
    os.kill(number, signal.SIGTERM)
    for _ in range(100):
        if not Path(f"/proc/{number}").exists():
            return
        time.sleep(0.1)
    os.kill(number, signal.SIGKILL)


def wait(address: str, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            connect(address).close()
        except KgpuError:
            time.sleep(0.2)
        else:
            return
    process.kill()
    pytest.fail("a second dockerd does not start", pytrace=False)


def test_a_daemon_that_died(dead: str, kgpu_env: Any) -> None:  # noqa: ANN401 - the class of conftest.py
    ended = kgpu_env("doctor", env={"DOCKER_HOST": dead})
    assert ended.returncode == 3, ended.stderr
    first, *rest = ended.stdout.splitlines()
    assert first.startswith("PRIMARY   KGE-301 error: no container engine answers")
    assert "Connection refused" in first
    assert "dockerd is installed" in first
    assert any(
        line.strip() in {"run: sudo systemctl restart docker", "run: sudo service docker restart"} for line in rest
    )
    assert sum(line.startswith("PRIMARY") for line in ended.stdout.splitlines()) == 1


@pytest.fixture
def foreign(engine: DockerEngine, tag: str, tmp_path: Path) -> str:
    """An image whose only program is for another processor: a header of elf(5) by hand."""
    machine = AARCH64 if engine.describe().architecture != "aarch64" else 62
    header = (
        b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0)
    )
    archive = tmp_path / "root.tar"
    with tarfile.open(archive, "w") as tar:
        member = tarfile.TarInfo("bin/sh")
        member.size, member.mode = len(header), 0o755
        tar.addfile(member, io.BytesIO(header))
    engine.import_image(str(archive), tag, {})
    return tag


def test_an_image_for_another_processor(engine: DockerEngine, foreign: str) -> None:
    found = api.examine_host(Host(engine=engine.describe()), image=foreign, engine=engine)
    assert found.primary, found
    assert found.primary.code == "KGE-570"
    assert "another processor" in found.primary.text
    assert "--platform" in found.primary.fix
    assert rung(found, "engine")[0] == "broken"
