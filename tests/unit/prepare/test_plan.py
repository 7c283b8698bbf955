"""From what a machine has to the steps: each case a machine, its steps, its notes."""

from typing import Any

import pytest

from provision.catalogue import load
from provision.errors import InputError
from provision.model import Driver, Engine, Finding, Gpu, Host, Severity, Toolkit, Vendor
from provision.model.preparation import Preparation
from provision.prepare import Machine, Rows, Wishes, check_mirror, plan
from provision.prepare.sources import HEAD, key_path, source_path, source_text

CATALOGUE = load()
ROWS = Rows(CATALOGUE.prepare.repositories, CATALOGUE.prepare.engines)
NVIDIA = Host(
    gpus=(Gpu(vendor="nvidia", pci="0000:01:00.0", kernel_driver="nvidia"),),
    drivers=(Driver(vendor="nvidia", version="580.95.05", flavour="open"),),
)
AMD = Host(gpus=(Gpu(vendor="amd", pci="0000:03:00.0", kernel_driver="amdgpu"),), drivers=(Driver(vendor="amd"),))
DOCKER = Engine(name="docker", version="28.5.2")
DEB = next(row for row in ROWS.repositories if row.id == "nvidia-container-toolkit-deb")
ADD = Wishes(add_repository=True)


def machine(host: Host = NVIDIA, **fields: Any) -> Machine:  # noqa: ANN401 - of several types
    given: dict[str, Any] = {"kind": "deb", "distribution": "ubuntu 24.04", "codename": "noble", "systemd": True}
    with_certificates = {"installed": frozenset({"ca-certificates"})}
    return Machine(**{**given, **with_certificates, "host": host, **fields})


def to_do(found: Preparation) -> list[str]:
    return [step.name for step in found.open]


def commands(found: Preparation) -> list[str]:
    return [" ".join(step.command) for step in found.open if step.command]


def test_a_bare_ubuntu_with_the_makers_repository() -> None:
    found = plan(machine(available=frozenset({"docker.io", "iptables"})), ROWS, ADD)
    names = ["packages", "service", "key", "repository", "lists", "packages", "register", "reload", "cdi"]
    assert to_do(found) == names
    assert found.notes == ()
    assert commands(found)[-3:] == [
        "nvidia-ctk runtime configure --runtime=docker",
        "systemctl reload-or-restart docker",
        "nvidia-ctk cdi generate --output=/var/run/cdi/nvidia.yaml",
    ]
    assert found.undo[0] == "sudo rm /var/run/cdi/nvidia.yaml"
    assert found.undo[-1] == "sudo apt-get remove docker.io iptables"


def test_no_step_ever_touches_a_driver() -> None:
    for kind, distribution in (
        ("deb", "ubuntu 24.04"),
        ("deb", "debian 12"),
        ("rpm", "rocky 9.5"),
        ("rpm", "fedora 43"),
    ):
        for host in (NVIDIA, AMD):
            found = plan(machine(host, kind=kind, distribution=distribution), ROWS, ADD)
            words = {word for step in found.steps for word in step.command}
            assert not [
                word for word in words if any(one in word for one in ("driver", "dkms", "kernel", "modprobe", "cuda"))
            ]


def test_without_add_repository_no_repository_is_added() -> None:
    found = plan(machine(NVIDIA, engine="docker"), ROWS, Wishes())
    assert to_do(found) == ["service"]
    assert [note for note in found.notes if "--add-repository takes it from https://nvidia.github.io" in note]


def test_what_the_machine_s_repositories_have_is_taken_from_them() -> None:
    here = machine(engine="docker", available=frozenset({"nvidia-container-toolkit"}))
    assert to_do(plan(here, ROWS, ADD))[:2] == ["service", "packages"]


def test_a_machine_that_is_ready_has_nothing_to_do() -> None:
    host = Host(
        gpus=NVIDIA.gpus,
        drivers=NVIDIA.drivers,
        engine=DOCKER,
        toolkits=(Toolkit(name="nvidia-container-toolkit", path="/usr/bin/nvidia-ctk"),),
    )
    ready = {"engine": "docker", "runtimes": frozenset({"nvidia"}), "cdi": frozenset({"nvidia.com/gpu"})}
    groups = {"groups": {"video": frozenset({"joe"})}}
    found = plan(machine(host, **ready, **groups), ROWS, Wishes(groups=("video",), user="joe"))
    assert (to_do(found), found.notes, found.undo) == ([], (), ())
    assert {step.state for step in found.steps} == {"already"}
    stale = Finding(code="KGE-140", severity=Severity.ERROR, text="a stale specification")
    again = machine(
        Host(
            **{
                **{name: getattr(host, name) for name in ("gpus", "drivers", "engine", "toolkits")},
                "findings": (stale,),
            }
        ),
        **ready,
    )
    assert to_do(plan(again, ROWS, Wishes())) == ["cdi"]


def test_docker_s_settings_are_kept_before_they_are_changed() -> None:
    here = machine(engine="docker", has_settings=True, installed=frozenset({"nvidia-container-toolkit"}))
    found = plan(here, ROWS, Wishes())
    assert to_do(found) == ["service", "save", "register", "reload", "cdi"]
    assert "sudo mv /etc/docker/daemon.json.before-kgpu-env /etc/docker/daemon.json" in found.undo


def test_without_a_driver_the_specification_is_left_to_later() -> None:
    undriven = Host(gpus=(Gpu(vendor="nvidia", usable=False, unusable="no driver (KGE-102)"),))
    found = plan(machine(undriven, engine="docker", installed=frozenset({"nvidia-container-toolkit"})), ROWS, Wishes())
    assert "cdi" not in to_do(found)
    assert [note for note in found.notes if "no driver drives the GPU yet" in note]


def test_amd_needs_no_toolkit_and_unconfirmed_repositories_are_never_added() -> None:
    debian = plan(machine(AMD, distribution="debian 12", codename="bookworm", engine="docker"), ROWS, ADD)
    assert to_do(debian) == ["service"]
    assert "it is not needed" in debian.notes[0]
    rocky = plan(machine(AMD, kind="rpm", distribution="rocky 9.5", codename="", engine="docker"), ROWS, ADD)
    assert to_do(rocky) == ["service"]
    assert "not confirmed" in rocky.notes[0]
    ubuntu = plan(machine(AMD, engine="docker"), ROWS, ADD)
    assert to_do(ubuntu) == ["service", "key", "repository", "lists", "packages", "cdi"]
    assert commands(ubuntu)[-1] == "amd-ctk cdi generate"
    (source,) = [step.content for step in ubuntu.steps if step.name == "repository"]
    assert "Suites: noble\nComponents: main\n" in source


@pytest.mark.parametrize(
    ("distribution", "add", "package", "repository"),
    [
        ("fedora 43", True, "moby-engine", False),
        ("rocky 9.5", True, "docker-ce", True),
        ("rocky 9.5", False, "podman", False),
        ("amzn 2023", True, "docker", False),
    ],
)
def test_engines_of_the_red_hat_family(distribution: str, *, add: bool, package: str, repository: bool) -> None:
    here = machine(Host(), kind="rpm", distribution=distribution, codename="")
    found = plan(here, ROWS, Wishes(add_repository=add))
    installs = [step for step in found.open if step.name == "packages"]
    assert installs[0].command[:5] == ("dnf", "-q", "install", "-y", package)
    assert ("repository" in to_do(found)) is repository
    texts = [step.content for step in found.steps if step.content]
    assert all("gpgcheck=1" in text and "gpgkey=file:///etc/pki/rpm-gpg/" in text for text in texts)


def test_podman_knows_no_runtimes() -> None:
    here = machine(kind="rpm", distribution="rocky 9.5", codename="", available=frozenset({"podman"}))
    with_toolkit = here._replace(available=here.available | {"nvidia-container-toolkit"})
    assert "register" not in to_do(plan(with_toolkit, ROWS, Wishes()))


def test_a_run_that_was_stopped_is_gone_on_with() -> None:
    key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n????\n-----END PGP PUBLIC KEY BLOCK-----\n"
    files = {source_path(DEB): source_text(DEB, "", "noble"), key_path(DEB): key}
    found = plan(machine(engine="docker", files=files, interrupted=True), ROWS, ADD)
    assert commands(found)[0] == "dpkg --configure -a"
    assert to_do(found)[:4] == ["repair", "service", "key", "lists"]  # a damaged key is fetched anew


def test_a_file_of_somebody_else_stays() -> None:
    own = {source_path(DEB): "Types: deb\nURIs: https://mirror.example\n"}
    with pytest.raises(InputError, match="did not write it") as error:
        plan(machine(engine="docker", files=own), ROWS, ADD)
    assert error.value.code == "KGE-336"
    older = {source_path(DEB): f"{HEAD}Types: deb\nURIs: https://old.example\n"}
    assert "repository" in to_do(plan(machine(engine="docker", files=older), ROWS, ADD))


def test_a_mirror_stands_in_for_address_and_key() -> None:
    found = plan(machine(engine="docker"), ROWS, Wishes(add_repository=True, mirror="https://mirror.example/nv/"))
    key, source = found.open[1], found.open[2]
    assert key.key == "https://mirror.example/nv/gpgkey"
    assert "URIs: https://mirror.example/nv/stable/deb/$(ARCH)\nSuites: /\n" in source.content
    assert key.fingerprints == ("C95B321B61E88C1809C4F759DDCAE044F796ECB0",)


@pytest.mark.parametrize(
    "mirror",
    [
        "mirror.example",
        "ftp://mirror.example",
        "https://",
        "https://a:b@mirror.example",
        "https://[",
        "https://m/ x",
        "https://m/?token=1",
    ],
)
def test_what_is_no_mirror(mirror: str) -> None:
    with pytest.raises(InputError) as error:
        check_mirror(mirror)
    assert error.value.code == "KGE-335"
    assert "b@" not in error.value.text
    assert "token=1" not in error.value.text


def test_other_distributions_are_refused_by_name() -> None:
    with pytest.raises(InputError, match="arch is not Debian") as error:
        plan(machine(kind=None, distribution="arch"), ROWS, Wishes())
    assert error.value.code == "KGE-331"


def test_groups_as_asked() -> None:
    here = machine(engine="docker", groups={"video": frozenset(), "render": frozenset({"joe"})})
    found = plan(here, ROWS, Wishes(groups=("video", "render", "docker", "none"), user="joe", vendors=(Vendor.CUDA,)))
    assert [step.state for step in found.steps if step.name == "group"] == ["to do", "already", "to do"]
    assert "usermod -aG docker joe" in commands(found)
    assert found.notes[-1] == "there is no group none on this machine"


def test_certificates_come_before_https() -> None:
    found = plan(machine(engine="docker", installed=frozenset()), ROWS, ADD)
    assert to_do(found)[1:3] == ["packages", "key"]
    assert found.open[1].command[-1] == "ca-certificates"


def test_unread_lists_are_read_only_where_something_is_installed() -> None:
    here = machine(has_lists=False)
    assert to_do(plan(here, ROWS, ADD))[0] == "lists"
    assert to_do(plan(here._replace(engine="docker", host=AMD, codename="bookworm"), ROWS, Wishes())) == ["service"]
