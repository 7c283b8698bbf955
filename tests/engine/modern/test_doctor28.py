"""`doctor` with a current Docker: a CDI device that is gone, and a bridge that somebody deleted."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from provision import api
from provision.engine.protocol import Run
from provision.model import Host, decode
from provision.model.examination import Examination

Modern = Any  # the class of conftest.py
pytestmark = pytest.mark.engine
HOSTS = Path(__file__).parents[2] / "data" / "hosts"
NULL = [{"path": "/dev/nvidia0", "hostPath": "/dev/null"}]


def host(docker28: Modern) -> Host:
    found = decode((HOSTS / "h100-580.json").read_bytes(), Host)
    return replace(found, engine=replace(docker28.engine.describe(), cdi=("nvidia.com/gpu=all",)))


def rung(found: Examination, name: str) -> tuple[str, str]:
    return next((step.state, step.detail) for step in found.steps if step.rung == name)


def test_a_container_is_started_with_the_gpu(docker28: Modern, debian: str) -> None:
    docker28.spec("nvidia.com/gpu", {"all": {"deviceNodes": NULL}})
    found = api.examine_host(host(docker28), image=debian, engine=docker28.engine)
    state, detail = rung(found, "engine")
    assert (state, detail.endswith(f", started {debian} with the GPU")) == ("ok", True)
    assert found.primary is None


def test_a_cdi_device_that_is_gone(docker28: Modern, debian: str) -> None:
    """As after an update of the driver: the engine's answer was of before."""
    for path in docker28.daemon.cdi.iterdir():
        path.unlink()
    found = api.examine_host(host(docker28), image=debian, engine=docker28.engine)
    assert found.start
    assert "unresolvable CDI devices nvidia.com/gpu=all" in found.start.text
    assert found.primary
    assert found.primary.code == "KGE-517"
    assert "nvidia-ctk cdi generate" in " ".join(found.commands)
    assert rung(found, "engine")[0] == "broken"


def test_a_bridge_that_was_deleted(docker28: Modern, debian: str, tmp_path: Path) -> None:
    """The daemon's own network lacks it; its files and its words lead to one cause. The machine's own is untouched."""
    inside = docker28.daemon.inside
    subprocess.run([*inside, "ip", "link", "delete", "docker0"], check=True)
    try:
        ran = docker28.engine.run(Run(image=debian, command=("true",), network=True))
        assert ran.refused
        here = captured(docker28, tmp_path)
        found = api.examine_host(here, captured=True, log=ran.refused)
    finally:
        for words in (("add", "docker0", "type", "bridge"), ("set", "docker0", "up")):
            subprocess.run([*inside, "ip", "link", *words], check=True)
    assert found.primary
    assert found.primary.code == "KGE-152"
    assert found.commands == ("sudo systemctl restart docker",)
    assert found.check == "ip link show docker0"


def captured(docker28: Modern, root: Path) -> Host:
    """A tree with a GPU, and this daemon's process and network."""
    number = (docker28.daemon.folder / "docker.pid").read_text()
    links = subprocess.run(
        [*docker28.daemon.inside, "cat", "/proc/self/net/dev"], capture_output=True, text=True, check=True
    )
    names = [line.partition(":")[0].strip() for line in links.stdout.splitlines() if ":" in line]
    files = {
        "run/docker.pid": number,
        f"proc/{number}/cmdline": Path(f"/proc/{number}/cmdline").read_text(),
        "proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue\n",
        "sys/bus/pci/devices/0000:01:00.0/vendor": "0x10de\n",
        "sys/bus/pci/devices/0000:01:00.0/device": "0x2684\n",
        "sys/bus/pci/devices/0000:01:00.0/class": "0x030000\n",
        "proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: \t NVIDIA GeForce RTX 4090\nDevice Minor: \t 0\n",
        "usr/bin/nvidia-ctk": "",
        "dev/.nodes": "".join(f"/dev/{name} 666 0\n" for name in ("nvidia0", "nvidiactl", "nvidia-uvm")),
        **{f"sys/class/net/{name}/mtu": "1500\n" for name in names},
    }
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "sys/bus/pci/drivers/nvidia").mkdir(parents=True)
    (root / "sys/bus/pci/devices/0000:01:00.0/driver").symlink_to("../../drivers/nvidia")
    return api.probe_host(root)
