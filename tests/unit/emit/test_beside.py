"""What devcontainers and compose files have beside the environment: tools, Features, sudo, networks, services."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from provision.catalogue import load
from provision.emit import Order, emit
from provision.model import Access, Compose, DevContainer, Host, Request, User, Vendor
from provision.render import render
from provision.resolve import resolve

MINIATURE = load(Path(__file__).parents[2] / "data" / "catalogue")
IMAGE = "registry.example/team/keras:1"


def order(*packages: str, network: tuple[str, ...] = (), user: User | None = None, **more: Any) -> Order:  # noqa: ANN401 - passed through
    request = Request(vendor=Vendor.CPU, packages=packages, user=user or User())
    stack = resolve(MINIATURE, Host(), request)
    plan = render(MINIATURE, stack, request, network={f"network/{name}": b"" for name in network})
    access = more.pop("access", Access())
    return Order(stack=stack, request=request, host=Host(), access=access, plan=plan, **more)


def devcontainer(made: Order, folder: str = ".devcontainer") -> tuple[dict[str, Any], str]:
    files = emit("devcontainer", made)
    return json.loads(files[f"{folder}/devcontainer.json"]), files.get(f"{folder}/Dockerfile", "")


class TestDeveloper:
    def test_git_is_there_above_the_plan_as_its_user(self) -> None:
        made = order()
        found, dockerfile = devcontainer(made)
        assert found["build"] == {"dockerfile": "Dockerfile", "context": "."}
        assert dockerfile.startswith(made.plan.dockerfile)
        assert "apt-get install -y --no-install-recommends git openssh-client less" in dockerfile
        assert "ensurepip" in dockerfile
        assert dockerfile.endswith("USER keras\n")
        assert "sudo" not in dockerfile

    def test_a_named_image_is_what_lies_below(self) -> None:
        _, dockerfile = devcontainer(order(image=IMAGE))
        assert dockerfile.startswith(f"FROM {IMAGE}\n")
        assert [line for line in dockerfile.splitlines() if line.startswith("FROM")] == [f"FROM {IMAGE}"]

    def test_an_image_of_another_maker_is_taken_as_it_is(self) -> None:
        found, dockerfile = devcontainer(order(image=IMAGE, foreign=True, developer=(1000, 1000)))
        assert (found["image"], dockerfile) == (IMAGE, "")
        assert not {"build", "containerUser", "remoteUser"} & found.keys()  # its maker's user, who has another name

    def test_rights_are_kept_narrow_unless_sudo_is_asked_for(self) -> None:
        narrow = {"--cap-drop=ALL", "--security-opt=no-new-privileges"}
        assert narrow <= set(devcontainer(order())[0]["runArgs"])
        found, dockerfile = devcontainer(order(devcontainer=DevContainer(sudo=True)))
        assert not narrow & set(found["runArgs"])
        assert "'keras ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/kgpu-env" in dockerfile
        root = order(devcontainer=DevContainer(sudo=True), user=User(name="root", uid=0, gid=0))
        assert "sudoers" not in devcontainer(root)[1]

    def test_features_have_their_options(self) -> None:
        features = ("ghcr.io/devcontainers/features/node:1,version=22,pnpm=false", "./mine")
        found, _ = devcontainer(order(devcontainer=DevContainer(features=features)))
        assert found["features"] == {
            "ghcr.io/devcontainers/features/node:1": {"version": "22", "pnpm": False},
            "./mine": {},
        }
        assert "features" not in devcontainer(order())[0]

    @pytest.mark.parametrize(
        ("place", "second", "named"),
        [
            (None, ".devcontainer/without-gpu", "../mine"),
            (".devcontainer/kgpu-env/devcontainer.json", ".devcontainer/kgpu-env-without-gpu", "../kgpu-env/mine"),
        ],
    )
    def test_the_second_configuration_finds_a_feature_beside_the_first(
        self, place: str | None, second: str, named: str
    ) -> None:
        access = Access(method="device-nodes", nodes=("/dev/kfd",))
        asked = DevContainer(features=("./mine", "registry.example/other:1"))
        found, _ = devcontainer(order(access=access, devcontainer=asked, place=place), second)
        assert list(found["features"]) == [named, "registry.example/other:1"]

    def test_in_a_folder_of_its_own_all_paths_lead_there(self) -> None:
        place = ".devcontainer/kgpu-env/devcontainer.json"
        found, _ = devcontainer(order(place=place, network=("pip.conf", "uv.toml")), ".devcontainer/kgpu-env")
        source = "${localWorkspaceFolder}/.devcontainer/kgpu-env/network"
        assert found["mounts"][-1] == f"type=bind,source={source},target=/dev/network,readonly"


class TestNetwork:
    def test_indexes_and_certificates_are_those_of_the_build(self) -> None:
        found, dockerfile = devcontainer(order(network=("ca.crt", "pip.conf", "uv.toml", "apt.conf")))
        settings = found["containerEnv"]
        assert settings["PIP_CONFIG_FILE"] == "/dev/network/pip.conf"
        assert settings["NETRC"] == "/dev/network/netrc"  # which a developer has, and the export has not
        assert settings["SSL_CERT_FILE"] == settings["GIT_SSL_CAINFO"] == "/dev/network/ca.crt"
        layer = dockerfile.rpartition("USER root")[2]
        assert "--mount=type=bind,source=network,target=/dev/network dpkg" in layer
        assert "export APT_CONFIG=/dev/network/apt.conf" in layer

    def test_proxies_reach_the_build_and_the_container(self) -> None:
        proxies = {"HTTPS_PROXY": "${localEnv:HTTPS_PROXY}", "https_proxy": "${localEnv:HTTPS_PROXY}"}
        found, _ = devcontainer(order(proxies=proxies))
        assert found["build"]["args"] == proxies
        assert proxies.items() <= found["containerEnv"].items()

    def test_without_any_nothing_is_said_of_them(self) -> None:
        found, dockerfile = devcontainer(order())
        assert not [name for name in found["containerEnv"] if "PROXY" in name or name.startswith(("PIP", "SSL"))]
        assert len(found["mounts"]) == 1
        assert "network" not in dockerfile


class TestServices:
    def services(self, made: Order) -> dict[str, Any]:
        found: dict[str, Any] = yaml.safe_load(emit("compose", made)[made.place or "compose.yaml"])["services"]
        return found

    def test_they_run_in_the_environment_beside_it(self) -> None:
        found = self.services(order("tensorboard", "mlflow", compose=Compose(services=("tensorboard", "mlflow"))))
        assert list(found) == ["keras", "caches", "tensorboard", "mlflow"]
        assert found["tensorboard"]["image"] == found["keras"]["image"]
        assert found["tensorboard"]["entrypoint"] == ["/opt/venv/bin/python", "-m", "tensorboard.main"]
        assert found["tensorboard"]["ports"] == ["127.0.0.1:6006:6006"]
        assert found["mlflow"]["user"] == found["keras"]["user"]
        assert found["keras"]["environment"]["MLFLOW_TRACKING_URI"] == "http://mlflow:5000"
        for name in ("tensorboard", "mlflow"):
            assert (found[name]["cap_drop"], "deploy" in found[name], "devices" in found[name]) == (
                ["ALL"],
                False,
                False,
            )

    def test_each_may_have_an_image_of_its_own(self) -> None:
        found = self.services(order(compose=Compose(services=("mlflow=team.example/mlflow:3",))))["mlflow"]
        assert (found["image"], found["entrypoint"]) == ("team.example/mlflow:3", ["python3", "-m", "mlflow"])

    def test_in_an_override_their_names_are_kept_apart(self) -> None:
        asked = Compose(services=("mlflow=team.example/mlflow:3",))
        found = self.services(order(compose=asked, place="compose.override.yaml"))
        assert found["kgpu-keras"]["environment"]["MLFLOW_TRACKING_URI"] == "http://kgpu-mlflow:5000"
        assert "kgpu-mlflow:*" in found["kgpu-mlflow"]["environment"]["MLFLOW_SERVER_ALLOWED_HOSTS"]


@pytest.mark.parametrize(
    ("group", "words"),
    [
        (DevContainer(features=("../outside",)), "is no Feature"),
        (DevContainer(features=("node:1,version",)), ",NAME=VALUE"),
        (DevContainer(features=("https://me:s3cret@features.example/x.tgz",)), "with a login in it"),
        (Compose(services=("grafana",)), "write tensorboard or mlflow"),
        (Compose(services=("mlflow=NOT an image",)), "is no name of an image"),
    ],
)
def test_what_cannot_be_read_is_told(group: DevContainer | Compose, words: str) -> None:
    with pytest.raises(ValueError, match=words) as raised:
        group.check()
    assert "s3cret" not in str(raised.value)
