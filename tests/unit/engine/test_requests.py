"""What is sent to the engine: container bodies, labels, addresses, apt sources."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.engine import apt_sources, container, images
from provision.engine.connection import candidates
from provision.engine.protocol import Access, Run
from provision.errors import BuildError


def host_config(access: Access | None = None) -> dict[str, object]:
    run = Run(image="i", command=("true",), access=access or Access())
    found: dict[str, object] = container.body(run, "n", 0.0)["HostConfig"]
    return found


def test_a_container_has_few_rights() -> None:
    config = host_config()
    assert config["NetworkMode"] == "none"
    assert config["ReadonlyRootfs"] is True
    assert config["CapDrop"] == ["ALL"]
    assert config["SecurityOpt"] == ["no-new-privileges"]
    assert config["PidsLimit"] == 4096
    assert config["ShmSize"] == 1 << 30
    assert not config.keys() & {"Privileged", "CapAdd", "PidMode", "IpcMode", "Binds"}


def test_cdi_request() -> None:
    assert host_config(Access(cdi=("amd.com/gpu=0",)))["DeviceRequests"] == [
        {"Driver": "cdi", "DeviceIDs": ["amd.com/gpu=0"]}
    ]


@pytest.mark.parametrize(
    ("ids", "request_"), [(("all",), {"Count": -1}), (("GPU-1", "GPU-2"), {"DeviceIDs": ["GPU-1", "GPU-2"]})]
)
def test_nvidia_request(ids: tuple[str, ...], request_: dict[str, object]) -> None:
    wanted = [{"Driver": "", "Capabilities": [["gpu"]], **request_}]
    assert host_config(Access(runtime_ids=ids))["DeviceRequests"] == wanted


def test_nodes_groups_and_mounts() -> None:
    config = host_config(Access(nodes=("/dev/kfd",), groups=(109,), mounts={"/lib/x.so": "/usr/lib/x.so"}))
    assert config["Devices"] == [{"PathOnHost": "/dev/kfd", "PathInContainer": "/dev/kfd", "CgroupPermissions": "rw"}]
    assert config["GroupAdd"] == ["109"]
    assert config["Mounts"] == [{"Type": "bind", "Source": "/lib/x.so", "Target": "/usr/lib/x.so", "ReadOnly": True}]


def test_the_runs_environment_wins() -> None:
    run = Run(image="i", command=(), access=Access(env={"A": "access", "B": "b"}), env={"A": "run"})
    assert container.body(run, "n", 0.0)["Env"] == ["HOME=/tmp", "A=run", "B=b"]


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_label_stays_one_instruction(key: str, value: str) -> None:
    try:
        line = images.label(key, value)
    except BuildError:
        assert not (key + value).isprintable()
        return
    assert "\n" not in line
    assert line.replace("\\\\", "").replace('\\"', "").count('"') == 4


def test_where_an_engine_is_looked_for() -> None:
    assert candidates({"DOCKER_HOST": "tcp://h:1"}, 0) == ("tcp://h:1",)
    assert candidates({"XDG_RUNTIME_DIR": "/r"}, 5) == (
        "unix:///var/run/docker.sock",
        "unix:///r/docker.sock",
        "unix:///run/podman/podman.sock",
        "unix:///r/podman/podman.sock",
    )
    assert "unix:///run/user/5/docker.sock" in candidates({}, 5)


STANZAS = """\
Types: deb deb-src
# a note
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates trixie
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: https://other.example
Suites: nodistro
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
"""


def test_stanzas_are_cut_down_to_the_suite() -> None:
    (kept,) = apt_sources.stanza_sources(STANZAS, "bookworm")
    assert "Types: deb\n" in kept
    assert "Suites: bookworm bookworm-updates\n" in kept
    assert "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n" in kept


def test_lines_are_chosen_by_suite_and_component() -> None:
    text = (
        "deb [signed-by=/k.gpg arch=amd64] http://m/debian bookworm main # note\n"
        "deb-src http://m/debian bookworm main\n#deb http://m/debian bookworm main\n"
        "deb http://s/ bookworm-security main\ndeb https://d/ bookworm stable\ndeb http://g cloud-sdk-bookworm main\n"
    )
    assert apt_sources.one_line_sources(text, "bookworm") == [
        "deb [signed-by=/k.gpg arch=amd64] http://m/debian bookworm main",
        "deb http://s/ bookworm-security main",
    ]


def test_all_files_of_the_machine_are_read(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("deb http://a/ sid main\n")
    (tmp_path / "sources.list.d/b.list").write_text("deb http://b/ sid main\n")
    (tmp_path / "sources.list.d/c.sources").write_text(STANZAS)
    (tmp_path / "sources.list.d/d.save").write_text("deb http://d/ sid main\n")
    assert apt_sources.machine_sources("sid", tmp_path) == (["deb http://a/ sid main", "deb http://b/ sid main"], [])
    assert len(apt_sources.machine_sources("trixie", tmp_path)[1]) == 1
    assert apt_sources.machine_sources("sid", tmp_path / "none") == ([], [])
