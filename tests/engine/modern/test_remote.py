"""An engine of another machine: a second dockerd with another host name, data root and boot id, reached by TCP.

One kernel has one boot id: other_kernel.py gives the containers of the other engine another one. The client is in a
PID namespace of its own, for it would see the other machine's processes in /proc. The image answers as a GPU would: it
replays what an H100 recorded, so that all but the machine is in order, and on this machine's engine it is proved.
"""

import json
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, NamedTuple

import pytest
from gpu_docker import Daemon

from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import Context
from provision.model import Driver, Engine, Gpu, Host, encode

KgpuEnv = Any  # the class of ../conftest.py
pytestmark = pytest.mark.engine
PORT = 23750  # of a network namespace of its own
IMAGE = "kgpu-test/replay:1"
REPLAY = """\
#!/usr/bin/python3 -I
import glob, json, sys
spec = json.loads(sys.argv[-1])
name = "gpu" if glob.glob("/dev/nvidia[0-9]*") else "cpu"  # as the control must find it
with open(f"/replay/{name}.json") as file:
    record = json.load(file)
with open("/proc/sys/kernel/random/boot_id") as file:
    record["environment"]["boot_id"] = file.read().strip()
for training in record["trainings"]:  # a replay is over at once
    training["seconds"] = training["seconds"] and training["seconds"] / 4
record |= {"nonce": spec["nonce"], "spec": spec, "seconds": 4.0}
print("KGPU-ENV-RESULT", spec["nonce"], json.dumps(record))
"""


ROOT = Path(__file__).parents[3]
GPU_RECORD = max((ROOT / "docs" / "hardware").glob("*-h100-*-tensorflow-standard.evidence.json"))
CPU_RECORD = ROOT / "tests" / "unit" / "prove" / "data" / "cpu-tensorflow-2.21.json"
# The other machine's processes are not this one's.
APART = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


class There(NamedTuple):
    """An engine, and how a command reaches it."""

    daemon: Daemon
    image_id: str

    @property
    def tcp(self) -> str:
        return f"tcp://127.0.0.1:{PORT}"

    @property
    def socket(self) -> str:
        """A socket on this machine, as ssh -L makes one of another machine's."""
        return self.daemon.address


def started(programs: Path, rootfs: Path, base: str, node: str, **more: Any) -> tuple[There, DockerEngine]:  # noqa: ANN401 - passed through
    daemon = Daemon(programs, options={"tls": "false"}, listen=(f"tcp://127.0.0.1:{PORT}",), node=node, **more)
    engine = daemon.wait()
    nodes = [{"path": "/dev/nvidia0", "hostPath": "/dev/null"}]
    device = {"name": "all", "containerEdits": {"deviceNodes": nodes}}
    spec = {"cdiVersion": "0.6.0", "kind": "nvidia.com/gpu", "devices": [device]}
    (daemon.cdi / "nvidia.json").write_text(json.dumps(spec))
    engine.import_image(str(rootfs), base, {})
    lines = (
        f"FROM {base}",
        "COPY python3 /usr/local/bin/python3",
        "COPY gpu.json cpu.json /replay/",
        "RUN chmod 755 /usr/local/bin/python3",
        "ENV NVIDIA_VISIBLE_DEVICES=all",
    )
    files = {"python3": REPLAY.encode(), "gpu.json": GPU_RECORD.read_bytes(), "cpu.json": CPU_RECORD.read_bytes()}
    context = Context(files={"Dockerfile": "\n".join((*lines, "")).encode(), **files})
    return There(daemon, engine.build(context, IMAGE, lambda _: None, {}).image_id), engine


@pytest.fixture(scope="module")
def remote(programs: Path, rootfs: Path, base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    """The engine of node8, whose kernel is another."""
    folder = tmp_path_factory.mktemp("runtime")
    (folder / "boot_id").write_text(f"{uuid.uuid4()}\n")
    source = Path(__file__).with_name("other_kernel.py").read_text()
    runtime = folder / "runtime"
    runtime.write_text(f"#!{sys.executable} -I\n{source}")
    runtime.chmod(0o755)
    settings = {"runtimes": {"other": {"path": str(runtime)}}, "default-runtime": "other"}
    found, engine = started(programs, rootfs, base, "node8", settings=settings)
    yield found
    engine.close()
    found.daemon.end()


@pytest.fixture(scope="module")
def local(programs: Path, rootfs: Path, base: str) -> Iterator[There]:
    """An engine of this machine, at an address that does not tell so."""
    found, engine = started(programs, rootfs, base, "")
    yield found
    engine.close()
    found.daemon.end()


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """This machine with the H100 that was recorded, told by a file that knows of another engine."""
    [device] = json.loads(GPU_RECORD.read_text())["driver"]
    gpu = Gpu(vendor="nvidia", uuid=f"GPU-{device['uuid']}", pci=device["pci"], architecture="sm_90")
    path = tmp_path / "host.json"
    drivers = (Driver(vendor="nvidia", version="580.95.05"),)
    engine = Engine(
        name="docker", version="28.5.2", cdi=("nvidia.com/gpu=all",), address="unix:///old", machine="node1"
    )
    path.write_text(encode(Host(gpus=(gpu,), drivers=drivers, kernel="6.1.0", engine=engine)))
    return path


def verified(kgpu_env: KgpuEnv, there: There, address: str, host: Path, *words: str) -> CompletedProcess[str]:
    command = ("verify", IMAGE, "--host", host, *words)
    ended: CompletedProcess[str] = kgpu_env(
        *command, env={"DOCKER_HOST": address}, before=(*there.daemon.inside, *APART)
    )
    return ended


def machine(proof: dict[str, Any]) -> tuple[str, str]:
    (found,) = [one for one in proof["checks"] if one["name"] == "machine"]
    return found["status"], found["detail"]


def gate(kgpu_env: KgpuEnv, there: There) -> tuple[int, str]:
    """Ask the gate at the engine's own socket: the record alone may close it."""
    ended = kgpu_env("gate", IMAGE, "--json", env={"DOCKER_HOST": there.socket})
    return ended.returncode, json.loads(ended.stdout)["state"]


@pytest.mark.parametrize("way", ["tcp", "socket"])
def test_on_this_machine_s_engine_it_is_proved_however_it_is_reached(
    kgpu_env: KgpuEnv, local: There, host: Path, way: str
) -> None:
    """So that the other test's answers are about the machine alone."""
    assert gate(kgpu_env, local) == (7, "never")
    ended = verified(kgpu_env, local, getattr(local, way), host, "--json")
    proof = json.loads(ended.stdout)
    assert (ended.returncode, proof["verdict"]) == (0, "proved"), ended.stdout
    assert machine(proof) == ("pass", "the kernel that trained is this host's: it has the same boot id")
    assert gate(kgpu_env, local) == (0, "proved")


@pytest.mark.parametrize("way", ["tcp", "socket"])
def test_another_machine_s_engine_proves_nothing_for_this_one(
    kgpu_env: KgpuEnv, remote: There, host: Path, way: str, tmp_path: Path
) -> None:
    address = getattr(remote, way)
    report = tmp_path / "proof.json"
    ended = verified(kgpu_env, remote, address, host, "--report", str(report))
    assert ended.returncode == 7, ended.stdout + ended.stderr
    said = ended.stdout + ended.stderr
    assert "KGE-595" in said
    assert "It trained on another machine than this host." in said
    assert "which is node8" in said, "the words name the other machine"
    assert "no record is kept, for it is not seen that this machine's engine ran it" in said
    assert f"{address}, which is node8" in said
    proof = json.loads(report.read_text())
    assert (proof["verdict"], proof["code"], machine(proof)[0]) == ("not-proved", "KGE-595", "fail")
    assert gate(kgpu_env, remote) == (7, "never")


def test_the_gate_asks_no_engine_that_is_not_here(kgpu_env: KgpuEnv, local: There, host: Path) -> None:
    assert verified(kgpu_env, local, local.socket, host).returncode == 0
    ended = kgpu_env("gate", IMAGE, env={"DOCKER_HOST": local.tcp})
    assert (ended.returncode, ended.stdout) == (5, "")
    assert "KGE-590" in ended.stderr


def test_a_training_on_another_machine_s_cpu_leaves_no_record(kgpu_env: KgpuEnv, remote: There, host: Path) -> None:
    """Its proof says nothing of a machine; by TCP it is not taken for this one's."""
    ended = verified(kgpu_env, remote, remote.tcp, host, "--vendor", "cpu", "--level", "quick")
    assert "no record is kept" in ended.stderr, ended.stderr
    assert gate(kgpu_env, remote) == (7, "never")
