"""Pass-through by CDI on a Docker that has it: made-up specifications, whose devices are /dev/null by other names."""

import os
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from provision.catalogue import load
from provision.engine.access import device_access
from provision.engine.docker import connect
from provision.engine.protocol import Access, Ran, Run
from provision.model import Engine, Gpu, Host, Vendor, decode
from provision.probe.cdi import cdi_devices
from provision.prove.diagnose import diagnose

Modern = Any  # the class of conftest.py
pytestmark = pytest.mark.engine
HOSTS = Path(__file__).parents[2] / "data" / "hosts"
NULL = "/dev/null"
GID = 61234  # in no group file
USER = "1000055:1000055"
NAMES = ("nvidia.com/gpu=0", "nvidia.com/gpu=1", "nvidia.com/gpu=all")


@pytest.fixture
def nvidia(docker28: Modern, tmp_path: Path) -> Path:
    """Two NVIDIA GPUs in a specification, with what nvidia-ctk's edits are made of; returns the mounted file."""
    library = tmp_path / "libcuda.so.1"
    library.write_text("made up")
    mount = {"hostPath": str(library), "containerPath": "/usr/lib/libcuda.so.1", "options": ["ro", "bind"]}
    nodes = [{"path": f"/dev/nvidia{index}", "hostPath": NULL} for index in range(2)]
    both = {"env": ["KGPU_CDI=all"], "mounts": [mount], "deviceNodes": nodes}
    one: dict[str, dict[str, object]] = {str(index): {"deviceNodes": [node]} for index, node in enumerate(nodes)}
    docker28.spec("nvidia.com/gpu", {**one, "all": both})
    return library


@pytest.fixture
def node() -> Iterator[Path]:
    """A render node's stand-in: /dev/null's numbers, closed to all but its group, outside the container's /tmp."""
    with tempfile.TemporaryDirectory(prefix="kgpu-node-", dir="/var/tmp") as folder:  # /tmp is a mount inside
        path = Path(folder) / "renderD128"
        os.mknod(path, stat.S_IFCHR | 0o660, os.makedev(1, 3))
        path.chmod(0o660)  # whatever the umask
        os.chown(path, 0, GID)
        yield path


def described(docker28: Modern) -> Engine:
    """The engine's answer of now; a connection keeps its first."""
    found = connect(docker28.daemon.address)
    try:
        return found.describe()
    finally:
        found.close()


def host(docker28: Modern, name: str) -> Host:
    """A stored, synthetic host with this engine."""
    found = decode((HOSTS / f"{name}.json").read_bytes(), Host)
    return replace(found, engine=described(docker28))


def two_h100(docker28: Modern) -> Host:
    found = host(docker28, "h100-580")
    second = replace(found.gpus[0], uuid="GPU-made-up", pci="0000:18:00.0")
    return replace(found, gpus=(found.gpus[0], second))


def shell(docker28: Modern, image: str, script: str, access: Access, user: str | None = None) -> Ran:
    ran: Ran = docker28.engine.run(Run(image=image, command=("sh", "-c", script), access=access, user=user))
    return ran


@pytest.mark.usefixtures("nvidia")
def test_the_engine_lists_its_cdi_devices(docker28: Modern) -> None:
    found = described(docker28)
    assert found.version.startswith("28.")
    assert tuple(map(int, found.api_version.split("."))) >= (1, 50)
    assert found.cdi_dirs == (str(docker28.daemon.cdi),)
    assert sorted(found.cdi) == list(NAMES)
    assert cdi_devices(Path("/"), found.cdi_dirs) == NAMES  # what the probe reads for engines that do not list them
    assert found.buildkit
    assert found.storage == {"graph": "overlay2", "containerd": "overlayfs"}[docker28.store]


def test_all_gpus_arrive_with_environment_and_library(docker28: Modern, debian: str, nvidia: Path) -> None:
    access = device_access(host(docker28, "h100-580"), Vendor.CUDA)
    assert access == Access(method="cdi", cdi=("nvidia.com/gpu=all",))
    script = (
        "stat -c '%n %F %t:%T' /dev/nvidia*; echo $KGPU_CDI; cat /usr/lib/libcuda.so.1; : >/dev/nvidia0 && echo opened"
    )
    ran = shell(docker28, debian, script, access)
    special = "character special file 1:3"
    lines = [f"/dev/nvidia0 {special}", f"/dev/nvidia1 {special}", "all", f"{nvidia.read_text()}opened"]
    assert (ran.exit_code, ran.stdout.splitlines()) == (0, lines), ran


@pytest.mark.usefixtures("nvidia")
def test_one_gpu_of_two_comes_alone(docker28: Modern, debian: str) -> None:
    access = device_access(two_h100(docker28), Vendor.CUDA, "1")
    assert access == Access(method="cdi", cdi=("nvidia.com/gpu=1",))
    assert shell(docker28, debian, "ls /dev/nvidia*", access).stdout == "/dev/nvidia1\n"


@pytest.mark.usefixtures("nvidia")
def test_without_a_request_nothing_arrives(docker28: Modern, debian: str) -> None:
    ran = shell(docker28, debian, "ls /dev/nvidia*; echo [$KGPU_CDI]", Access())
    assert ran.stdout == "[]\n"


@pytest.mark.parametrize(
    ("vendor", "name", "code"),
    [(Vendor.CUDA, "nvidia.com/gpu=7", "KGE-517"), (Vendor.ROCM, "amd.com/gpu=7", "KGE-541")],
)
@pytest.mark.usefixtures("nvidia")
def test_a_device_that_no_specification_names(
    docker28: Modern, debian: str, vendor: Vendor, name: str, code: str
) -> None:
    ran = shell(docker28, debian, "true", Access(method="cdi", cdi=(name,)))
    assert ran.exit_code is None
    assert f"unresolvable CDI devices {name}" in ran.refused
    found = diagnose(ran.refused, vendor, load().errors)
    assert found is not None
    assert (found.code, found.seen) == (code, ran.refused)
    assert "CDI spec" in found.text


def test_a_gpu_request_without_cdi_and_without_toolkit(docker28: Modern, debian: str) -> None:
    for path in docker28.daemon.cdi.iterdir():
        path.unlink()
    here = host(docker28, "h100-580")
    assert here.engine is not None
    assert here.engine.cdi == ()
    access = device_access(here, Vendor.CUDA)
    assert access.method == "nvidia-runtime"
    ran = shell(docker28, debian, "true", access)
    assert "could not select device driver" in ran.refused
    found = diagnose(ran.refused, Vendor.CUDA, load().errors)
    assert found is not None
    assert found.code == "KGE-510"


def test_an_engine_that_does_not_use_cdi(daemon: Callable[..., Any], tmp_path: Path) -> None:
    """As Docker 25 to 28.1 are by default."""
    empty = tmp_path / "root.tar"
    tarfile.open(empty, "w").close()
    without = daemon(cdi=False)
    engine = without.wait()
    try:
        image = engine.import_image(str(empty), "kgpu-test/empty:1", {})
        assert engine.describe().cdi_dirs == ()
        ran = engine.run(Run(image=image.image_id, command=("true",), access=Access(method="cdi", cdi=NAMES[:1])))
    finally:
        engine.close()
        without.end()
    assert not without.folder.exists()
    assert not without.mounts()
    assert without.process.returncode == 0
    found = diagnose(ran.refused, Vendor.CUDA, load().errors)
    assert found is not None, ran.refused
    assert found.code == "KGE-511"


def amd_host(docker28: Modern) -> Host:
    """A stored, synthetic MI300X host with its first GPU only, whose nodes belong to a made-up group."""
    found = host(docker28, "mi300x-spx")
    gpu: Gpu = replace(found.gpus[0], nodes=(replace(found.gpus[0].nodes[0], gid=GID),))
    shared = tuple(replace(one, gid=GID) for one in found.nodes)
    return replace(found, gpus=(gpu,), nodes=shared)


def amd_spec(docker28: Modern, node: Path) -> None:
    """As amd-ctk's specification is: the nodes with mode and group, and no group for the process."""
    numbers = {"hostPath": str(node), "fileMode": 0o660, "uid": 0, "gid": GID}
    nodes = [{"path": path, **numbers} for path in ("/dev/kfd", "/dev/dri/renderD128")]
    docker28.spec("amd.com/gpu", {"0": {"deviceNodes": nodes}, "all": {"deviceNodes": nodes}})


OPEN = "stat -c '%a %g' /dev/kfd /dev/dri/renderD128; : >/dev/dri/renderD128 && : >/dev/kfd && echo opened"


def test_amd_nodes_open_for_an_image_s_own_user_by_the_numeric_group(docker28: Modern, debian: str, node: Path) -> None:
    amd_spec(docker28, node)
    access = device_access(amd_host(docker28), Vendor.ROCM)
    assert access == Access(method="cdi", cdi=("amd.com/gpu=all",), groups=(GID,))
    ran = shell(docker28, debian, OPEN, access, user=USER)
    assert (ran.exit_code, ran.stdout.splitlines()) == (0, [f"660 {GID}"] * 2 + ["opened"]), ran
    denied = shell(docker28, debian, OPEN, replace(access, groups=()), user=USER)
    assert denied.exit_code != 0
    assert "Permission denied" in denied.stderr


def test_amd_nodes_without_cdi(docker28: Modern, debian: str, node: Path) -> None:
    access = Access(method="device-nodes", nodes=(str(node),), groups=(GID,))
    script = f"stat -c '%a %g' {node}; : >{node} && echo opened"
    assert shell(docker28, debian, script, access, user=USER).stdout == f"660 {GID}\nopened\n"
    denied = shell(docker28, debian, script, replace(access, groups=()), user=USER)
    assert (denied.stdout, "Permission denied" in denied.stderr) == (f"660 {GID}\n", True)
