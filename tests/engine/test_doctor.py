"""`doctor` with a real engine: a healthy one, and faults that are really made. GPUs are those of stored hosts."""

import io
import json
import os
import re
import shutil
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
from provision.engine.protocol import Access, Run
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
    assert not engine.describe().own_files
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


SNAP_ROOT = """
set -e
root=$1; shift
mount -t tmpfs tmpfs "$root"
while [ "$1" != -- ]; do
    mkdir -p "$root${1%/*}"; touch "$root$1"; mount --bind "$1" "$root$1"; shift
done
shift
mkdir -p "$root/var/snap/docker" "$root/var/lib" "$root/tmp" "$root/old"
for one in bin sbin lib lib64; do [ ! -L "/$one" ] || ln -s "usr/$one" "$root/$one"; done
for one in dev proc sys run etc; do mkdir "$root/$one"; mount --rbind "/$one" "$root/$one"; done
mount --bind "$DATA" "$root/var/snap/docker"
cd "$root"
pivot_root . old
umount -l /old
exec dockerd "$@"
"""
SNAP_PROGRAMS = ("sh", "umount", "dockerd", "containerd", "containerd-shim-runc-v2", "runc", "docker-init")


def needed(*names: str) -> list[str]:
    """Programs of this machine, with the libraries that they load; where /lib leads to /usr/lib, by the latter."""
    found = {shutil.which(name) or pytest.fail(f"no {name} here", pytrace=False) for name in names}
    for program in list(found):
        told = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
        found |= set(re.findall(r"(/\S+\.so\S*) \(0x", told))
    return sorted({str(Path(one).parent.resolve() / Path(one).name) for one in found})


@pytest.fixture(params=["/var/snap/docker/common/var-lib-docker", "/var/lib/docker"])
def apart(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """The socket of a dockerd in a root and a mount namespace of its own, as a snap has them, and its data root.

    Of this machine it sees /etc, /run and the devices. Its /usr has the programs that it needs, and no driver library.
    """
    data_root: str = request.param
    with tempfile.TemporaryDirectory(prefix="kgpu-own-", dir="/run") as name, tempfile.TemporaryDirectory() as data:
        folder = Path(name)
        (folder / "root").mkdir()
        address = f"unix://{folder}/docker.sock"
        options = [f"--host={address}", f"--data-root={data_root}", f"--exec-root={folder}/exec"]
        options += [f"--pidfile={folder}/pid", "--bridge=none", "--iptables=false"]
        # In a network of its own: also with --bridge=none a dockerd deletes the docker0 that it finds.
        command = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", SNAP_ROOT, "sh"]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [*command, str(folder / "root"), *needed(*SNAP_PROGRAMS), "--", *options],
                env=os.environ | {"DATA": data},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                wait(address, process)
                yield address, data_root
            finally:
                process.terminate()
                process.wait(60)


@pytest.fixture
def one_file(tmp_path: Path) -> str:
    """An archive of an image that holds one file."""
    archive = tmp_path / "one.tar"
    (tmp_path / "file").write_text("x")
    with tarfile.open(archive, "w") as tar:
        tar.add(tmp_path / "file", "file")
    return str(archive)


def test_an_engine_with_a_file_system_of_its_own(
    apart: tuple[str, str],
    one_file: str,
    tag: str,
    tmp_path: Path,
    kgpu_env: Any,  # noqa: ANN401 - the class of conftest.py
) -> None:
    """It answers, and nothing of the host that it is to mount is there: probe and doctor name it as that."""
    address, data_root = apart
    is_snap = data_root.startswith("/var/snap/")
    says = f"is Docker's snap (its data is in {data_root})" if is_snap else "file system of its own"
    probed = json.loads(kgpu_env("probe", "--json", env={"DOCKER_HOST": address}).stdout)
    assert probed["engine"]["own_files"] is True
    assert [says in one["text"] for one in probed["findings"] if one["code"] == "KGE-143"] == [True]
    ended = kgpu_env("doctor", env={"DOCKER_HOST": address})
    assert ended.stdout.startswith("PRIMARY   KGE-143 warning: "), ended.stdout
    assert ("run: sudo snap remove docker" in ended.stdout) is is_snap
    assert kgpu_env("doctor", "--strict", env={"DOCKER_HOST": address}).returncode == 3
    other = connect(address)
    assert isinstance(other, DockerEngine)
    try:
        other.import_image(one_file, tag, {})
        ran = other.run(Run(image=tag, command=("/file",), access=Access(mounts={str(tmp_path): "/here"})))
    finally:
        other.close()
    assert "bind source path does not exist" in ran.refused
    here = decode(json.dumps(probed), Host)
    (message,) = api.examine_host(here, captured=True, log=ran.refused).messages
    assert message.code == "KGE-981"
    assert ("is a snap" if is_snap else "file system of its own") in message.cause


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
