"""`export slurm` in a real Slurm: a controller and three nodes in containers, with made-up GPUs and the real gate.

No GPU is here. What opens the gate is the evidence that was recorded on an H100 (docs/hardware), judged on the node
against its tree, which is that H100's, and signed with the node's own key; nothing in the product is switched.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]
EVIDENCE = ROOT / "docs" / "hardware" / "2026-11-23-nvidia-h100-80gb-hbm3-tensorflow-standard.evidence.json"
NAME = f"kgpu-test-slurm-{os.getpid()}"
NODES = ("node1", "node2", "node3")
PACKAGES = "slurmctld slurmd slurm-client munge"
INSTALL = (
    f"apt-get update -qq && apt-get install -y -qq --no-install-recommends {PACKAGES} && rm -rf /var/lib/apt/lists"
)
CONFIGURATION = """\
ClusterName=test
SlurmctldHost=control
SlurmUser=root
StateSaveLocation=/var/spool/slurmctld
SlurmdSpoolDir=/var/spool/slurmd
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SlurmdParameters=config_overrides
ReturnToService=2
MailProg=/bin/true
GresTypes=gpu
NodeName=node[1-3] CPUs=2 RealMemory=64 Gres=gpu:h100:2
PartitionName=main Nodes=ALL Default=YES
"""
OPEN = ["seccomp=unconfined", "apparmor=unconfined"]  # mounts
GRES = "AutoDetect=off\nNodeName=node[1-3] Name=gpu Type=h100 File=/dev/fakegpu[0-1]\n"
MUNGE = """\
set -e
install -o munge -g munge -m 400 /conf/munge.key /etc/munge/munge.key
install -d -o munge -g munge /run/munge
runuser -u munge -- munged
mkdir -p /var/spool/slurmctld /var/spool/slurmd
cp -r /conf/slurm/. /etc/slurm/
"""
# The node's tree takes the place of what the kernel tells; a made-up device stands for each GPU.
NODE = """\
mount --bind /tree/proc/driver /proc/driver
mkdir /real && mount --rbind /sys /real
mount -t tmpfs tmpfs /sys
cp -a /tree/sys/. /sys/
mkdir -p /sys/fs/cgroup /sys/devices
mount --rbind /real/fs/cgroup /sys/fs/cgroup
mount --rbind /real/devices /sys/devices
mknod /dev/fakegpu0 c 1 3
mknod /dev/fakegpu1 c 1 3
printf '#!/bin/sh\\nPYTHONPATH=/opt/kgpu-env:/opt/packages exec python3 -m provision "$@"\\n' >/usr/local/bin/kgpu-env
chmod +x /usr/local/bin/kgpu-env
exec slurmd -D
"""
# What `kgpu-env verify` does after the container has run, with the record of one that ran elsewhere.
PROOF = """
import json, sys
from pathlib import Path
import msgspec
from provision.api.hosts import probe_host
from provision.api.records import Records, host_now, keep
from provision.engine.protocol import Ran
from provision.model import Vendor
from provision.prove import Evidence, Expectation
from provision.prove.judge import judge
from provision.records import state_folder
host = probe_host(Path("/"))
expectation = Expectation(vendor=Vendor.CUDA, indices=(0,), gpus=host.usable_of("nvidia"), host=host)
evidence = msgspec.json.decode(Path("/conf/evidence.json").read_bytes(), type=Evidence)
proof = judge(expectation, Ran(exit_code=0, stdout="", stderr="", seconds=60.0), evidence)
proof = msgspec.structs.replace(proof, image=sys.argv[1], image_id=sys.argv[2])
keep(proof, Records(folder=state_folder({})), host_now())
print(proof.verdict)
"""


def tree(folder: Path) -> Path:
    """The files of the H100's host that its evidence holds."""
    told = json.loads(EVIDENCE.read_text())
    environment, [device] = told["environment"], told["driver"]
    [information] = environment["nvidia_information"]
    version = environment["nvidia_version"].split()[9]
    for path, text in {
        "proc/driver/nvidia/version": environment["nvidia_version"],
        f"proc/driver/nvidia/gpus/{device['pci']}/information": information,
        "sys/module/nvidia/version": f"{version}\n",
        f"sys/bus/pci/devices/{device['pci']}/vendor": "0x10de\n",
        f"sys/bus/pci/devices/{device['pci']}/device": "0x2330\n",
        f"sys/bus/pci/devices/{device['pci']}/class": "0x030200\n",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    (folder / "sys/bus/pci/drivers/nvidia").mkdir(parents=True)
    (folder / f"sys/bus/pci/devices/{device['pci']}/driver").symlink_to("../../drivers/nvidia")
    return folder


@pytest.fixture(scope="module")
def client(engine: Any) -> "APIClient":  # noqa: ANN401 - of the conftest
    found: APIClient = engine._api  # noqa: SLF001 - as there
    return found


@pytest.fixture(scope="module")
def image(client: "APIClient", base: str) -> str:
    """The base with Slurm, by the machine's own apt sources; kept as the base is."""
    name = base.replace("/base:", "/slurm:")
    if client.images(name):
        return name
    binds: Any = {"/etc/apt": {"bind": "/etc/apt", "mode": "ro"}}
    settings = client.create_host_config(network_mode="host", binds=binds)
    made = client.create_container(base, ["sh", "-c", INSTALL], host_config=settings, user="root")
    try:
        client.start(made)
        code = client.wait(made, timeout=250)["StatusCode"]
        assert code == 0, client.logs(made).decode()
        repository, _, tag = name.partition(":")
        client.commit(made, repository, tag)
    finally:
        client.remove_container(made, force=True)
    return name


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What kgpu-env needs, for the base's Python."""
    folder = tmp_path_factory.mktemp("packages")
    platforms = ("manylinux2014_x86_64", "manylinux_2_28_x86_64", "manylinux_2_34_x86_64")
    command = [sys.executable, "-m", "pip", "install", "-q", "--target", str(folder), "--no-deps", "--require-hashes"]
    command += ["--python-version", "3.11", "--only-binary", ":all:", "-r", str(ROOT / "tests/locks/use.txt")]
    command += [word for name in platforms for word in ("--platform", name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


class Cluster:
    """The containers by name."""

    def __init__(self, client: "APIClient", image: str, folder: Path, packages: Path) -> None:
        self.client, self.image, self.folder, self.packages = client, image, folder, packages
        self.ids: dict[str, str] = {}
        client.create_network(NAME, driver="bridge", labels={"kgpu-env.test": "slurm"})

    def add(self, name: str, script: str) -> None:
        binds: Any = {
            str(self.folder / "conf"): {"bind": "/conf", "mode": "ro"},
            str(self.packages): {"bind": "/opt/packages", "mode": "ro"},
            "/var/run/docker.sock": {"bind": "/var/run/docker.sock", "mode": "rw"},
            **{str(ROOT / part): {"bind": f"/opt/kgpu-env/{part}", "mode": "ro"} for part in PARTS},
        }
        if name in NODES:
            binds[str(tree(self.folder / name))] = {"bind": "/tree", "mode": "rw"}
        settings = self.client.create_host_config(
            binds=binds, network_mode=NAME, init=True, cap_add=["SYS_ADMIN"], security_opt=OPEN
        )
        endpoints: Any = {NAME: self.client.create_endpoint_config(aliases=[name])}
        made = self.client.create_container(
            self.image,
            ["sh", "-c", MUNGE + script],
            host_config=settings,
            networking_config=self.client.create_networking_config(endpoints),
            user="root",
            hostname=name,
            name=f"{NAME}-{name}",
        )
        self.ids[name] = made["Id"]
        self.client.start(made)

    def run(self, name: str, *words: str) -> tuple[int, str]:
        """Run a command in a container; return its exit code and what it said."""
        made = self.client.exec_create(self.ids[name], list(words), user="root")["Id"]
        said = self.client.exec_start(made).decode()
        return self.client.exec_inspect(made)["ExitCode"], said

    def job(self, node: str, *words: str) -> tuple[int, str]:
        """Submit a job for a node, which must get it within 5 s."""
        return self.run("control", "srun", "--quiet", "--immediate=5", "--time=2", "--nodelist", node, *words)

    def takes(self, node: str) -> None:
        """See that a node takes a job with a GPU, once Slurm's scheduler has seen that it is idle."""
        end = time.monotonic() + 90
        while (found := self.job(node, "--gres=gpu:1", "hostname")) != (0, f"{node}\n"):
            assert time.monotonic() < end, found

    def check(self, node: str) -> None:
        """Run the health check now, with the little that Slurm gives it."""
        words = ("env", "-i", f"SLURMD_NODENAME={node}", "/etc/slurm/kgpu-env/health.sh")
        assert self.run(node, *words)[0] == 0

    def seen(self, node: str) -> str:
        """State and reason of a node, as Slurm tells them: "idle none"."""
        _, said = self.run("control", "sinfo", "--noheader", "--Node", "--nodes", node, "--format=%t %E")
        return said.strip().replace("* ", " ")  # a star: slow to answer

    def until(self, node: str, words: str, seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while words not in (seen := self.seen(node)):
            if time.monotonic() > end:
                logs = self.client.logs(self.ids[node], tail=20).decode()
                pytest.fail(f"{node} is {seen!r} after {seconds} s, not {words!r}:\n{logs}", pytrace=False)
            time.sleep(0.3)

    def drains(self, node: str, share: int) -> None:
        """Switch draining on, as an administrator does in the file."""
        words = f"s/^DRAIN=.*/DRAIN=yes/; s/^SHARE=.*/SHARE={share}/"
        assert self.run(node, "sed", "-i", words, "/etc/slurm/kgpu-env/health.sh") == (0, "")

    def prove(self, node: str, subject: str, ident: str) -> str:
        time.sleep(1.1)  # drains and proofs are told apart by whole seconds
        words = ("env", "PYTHONPATH=/opt/kgpu-env:/opt/packages", "python3", "-c", PROOF, subject, ident)
        code, said = self.run(node, *words)
        assert code == 0, said
        return said.strip()

    def driver(self, node: str, old: str, new: str) -> None:
        """Put another driver on a node, as an update and a reboot do."""
        script = f"sed -i 's/{old}/{new}/' /tree/proc/driver/nvidia/version /sys/module/nvidia/version"
        assert self.run(node, "sh", "-c", script) == (0, "")

    def close(self) -> None:
        for container in self.ids.values():
            self.client.remove_container(container, force=True)
        self.client.remove_network(NAME)


PARTS = ("provision", "templates", "images")


@pytest.fixture(scope="module")
def cluster(  # noqa: PLR0913, PLR0917 - of fixtures
    client: "APIClient",
    image: str,
    base: str,
    packages: Path,
    tmp_path_factory: pytest.TempPathFactory,
    kgpu_env_in: Callable[[Path], Any],
) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("slurm")
    conf = folder / "conf"
    hooks = conf / "slurm" / "kgpu-env"
    hooks.mkdir(parents=True)
    (conf / "munge.key").write_bytes(secrets.token_bytes(1024))
    shutil.copy(EVIDENCE, conf / "evidence.json")
    host = ROOT / "tests" / "data" / "hosts" / "h100-580.json"
    ended = kgpu_env_in(folder)("export", "slurm", "--host", host, "--image", base, "--by-tag", "-o", hooks)
    assert ended.returncode == 0, ended.stderr
    for script in hooks.glob("*.sh"):
        script.chmod(0o755)
    lines = (hooks / "slurm.conf").read_text().replace("HealthCheckInterval=300", "HealthCheckInterval=10")
    assert "HealthCheckInterval=10\n" in lines
    (conf / "slurm" / "slurm.conf").write_text(CONFIGURATION + lines)
    (conf / "slurm" / "gres.conf").write_text(GRES)
    made = Cluster(client, image, folder, packages)
    try:
        made.add("control", "exec slurmctld -D")
        for name in NODES:
            made.add(name, NODE)
        for name in NODES:
            made.until(name, "idle")
        yield made
    finally:
        made.close()


def test_a_job_with_a_gpu_is_refused_where_nothing_was_proved(cluster: Cluster) -> None:
    assert cluster.job("node1", "hostname") == (0, "node1\n")  # no GPU, no question
    code, said = cluster.job("node1", "--gres=gpu:1", "hostname")
    assert code != 0, said
    cluster.until("node1", "Prolog error")  # Slurm itself has drained it
    assert cluster.seen("node1").startswith("drain")


def test_a_node_is_drained_with_our_code_and_released_by_a_proof(cluster: Cluster, base: str, engine: Any) -> None:  # noqa: ANN401 - of the conftest
    cluster.check("node2")
    assert cluster.seen("node2") == "idle none"  # reported only, until somebody switches it on
    cluster.drains("node2", 10)
    cluster.check("node2")
    assert cluster.seen("node2") == "idle none"  # one of three is more than 10 per cent
    cluster.drains("node2", 100)
    cluster.until("node2", "kgpu-env KGE-586 never")  # by Slurm's own call
    assert cluster.seen("node2").startswith("drain")
    assert cluster.job("node2", "--gres=gpu:1", "hostname")[0] != 0
    assert cluster.prove("node2", base, engine.image(base).image_id) == "proved"
    cluster.check("node2")
    assert cluster.seen("node2") == "idle none"
    cluster.takes("node2")


def test_another_driver_asks_for_another_proof(cluster: Cluster, base: str, engine: Any) -> None:  # noqa: ANN401 - of the conftest
    ident = engine.image(base).image_id
    assert cluster.prove("node3", base, ident) == "proved"
    cluster.takes("node3")
    cluster.drains("node3", 100)
    cluster.driver("node3", "580.159.04", "580.159.03")
    cluster.check("node3")
    assert "kgpu-env KGE-587 stale" in cluster.seen("node3")
    cluster.driver("node3", "580.159.03", "580.159.04")
    cluster.check("node3")
    assert cluster.seen("node3").startswith("drain")  # the old proof holds again, and is older than the drain
    assert cluster.prove("node3", base, ident) == "proved"
    cluster.check("node3")
    assert cluster.seen("node3") == "idle none"
