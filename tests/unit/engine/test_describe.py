"""Answers of engines, cut down: Docker 20.10.24 and Podman 4.3.1 recorded, 28.5.2's CDI keys from its API docs."""

from typing import Any

import pytest

from provision.engine.describe import describe

DOCKER_20: dict[str, Any] = {
    "Version": "20.10.24+dfsg1",
    "ApiVersion": "1.41",
    "Components": [{"Name": "Engine", "Version": "20.10.24+dfsg1"}, {"Name": "containerd"}],
}
PODMAN_4: dict[str, Any] = {
    "Version": "4.3.1",
    "ApiVersion": "1.41",
    "Components": [{"Name": "Podman Engine", "Version": "4.3.1"}],
}
INFO: dict[str, Any] = {
    "Driver": "overlay2",
    "Architecture": "x86_64",
    "OSType": "linux",
    "Runtimes": {"runc": {}, "nvidia": {}},
    "SecurityOptions": ["name=seccomp,profile=default"],
}


def test_docker() -> None:
    engine = describe(DOCKER_20, INFO, "unix:///s")
    assert (engine.name, engine.version, engine.api_version) == ("docker", "20.10.24+dfsg1", "1.41")
    assert (engine.storage, engine.architecture, engine.address) == ("overlay2", "x86_64", "unix:///s")
    assert engine.runtimes == ("nvidia", "runc")
    assert (engine.rootless, engine.buildkit, engine.cdi) == (False, True, ())


def test_cdi_devices_and_folders() -> None:
    found = [{"Source": "cdi", "ID": "nvidia.com/gpu=all"}, {"Source": "else", "ID": "x"}, {"Source": "cdi"}]
    engine = describe(DOCKER_20, INFO | {"DiscoveredDevices": found, "CDISpecDirs": ["/etc/cdi"]}, "")
    assert (engine.cdi, engine.cdi_dirs) == (("nvidia.com/gpu=all",), ("/etc/cdi",))


def test_rootless() -> None:
    assert describe(DOCKER_20, INFO | {"SecurityOptions": ["name=seccomp", "name=rootless"]}, "").rootless


def test_podman_has_no_buildkit() -> None:
    engine = describe(PODMAN_4, INFO, "")
    assert (engine.name, engine.version, engine.buildkit) == ("podman", "4.3.1", False)


def test_an_engine_before_buildkit() -> None:
    assert not describe(DOCKER_20 | {"ApiVersion": "1.38"}, INFO, "").buildkit


@pytest.mark.parametrize("odd", [None, 7, "x", [], {}, [None], [7]])
def test_odd_answers_do_not_raise(odd: object) -> None:
    keys = ("Components", "ApiVersion", "Version")
    version = dict.fromkeys(keys, odd)
    info = dict.fromkeys((*INFO, "DiscoveredDevices", "CDISpecDirs"), odd)
    assert describe(version, info, "").name == "docker"
