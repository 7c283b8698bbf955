"""An engine with a file system of its own, by what it tells and by what its process shows."""

import pytest
from msgspec.structs import replace

from provision.model import Engine, Finding, Gpu, Host, Severity
from provision.probe.engine_place import place_findings
from provision.probe.host import _of_engine

NVIDIA = Host(gpus=(Gpu(vendor="nvidia"),), distribution="ubuntu 24.04")
AMD_WSL = Host(gpus=(Gpu(vendor="amd"),), distribution="ubuntu 24.04", wsl=True)
SNAP = Engine(name="docker", version="28.4", data_root="/var/snap/docker/common/var-lib-docker", own_files=True)
APART = Engine(name="docker", version="28.4", data_root="/var/lib/docker", own_files=True, address="unix:///x.sock")
DESKTOP = Engine(name="docker", version="28.4", system="Docker Desktop")


@pytest.mark.parametrize(
    ("host", "engine", "says", "mends"),
    [
        (
            NVIDIA,
            SNAP,
            "Docker's snap (its data is in /var/snap/docker/common",
            "sudo snap remove docker",
        ),
        (Host(), SNAP, "Docker's snap", "sudo snap remove docker"),
        (NVIDIA, APART, "its /usr is not this host's", "sudo apt-get install docker.io"),
        (AMD_WSL, DESKTOP, "it does not find /opt/rocm/lib/librocdxg.so", "sudo apt-get install docker.io"),
    ],
)
def test_it_is_named(host: Host, engine: Engine, says: str, mends: str) -> None:
    (found,) = place_findings(host, engine)
    assert (found.code, found.severity) == ("KGE-143", Severity.WARNING)
    assert says in found.text
    assert mends in found.fix
    assert "Check: " in found.fix


@pytest.mark.parametrize(
    "engine",
    [
        Engine(name="docker", version="28.5.2", data_root="/var/lib/docker"),
        DESKTOP,
        Engine(name="podman", version="5.4"),
    ],
)
def test_an_engine_in_the_hosts_file_system_is_not(engine: Engine) -> None:
    assert place_findings(NVIDIA, engine) == ()


def test_what_the_engine_tells_stands_for_what_files_let_one_think() -> None:
    guess = Finding(code="KGE-143", severity=Severity.WARNING, text="Docker is installed as a snap", fix="")
    other = Finding(code="KGE-115", severity=Severity.WARNING, text="", fix="")
    host = replace(NVIDIA, findings=(guess, other))
    assert [one.text[:10] for one in _of_engine(host, SNAP)] == ["", "The engine"]
    assert _of_engine(host, None) == (guess, other)
