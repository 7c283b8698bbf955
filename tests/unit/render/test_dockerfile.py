"""What holds for every Dockerfile, whatever the stack."""

import subprocess
import sys
from pathlib import Path

import pytest

from provision.catalogue import load
from provision.errors import InputError
from provision.model import Backend, Host, Request, User, Vendor
from provision.render import Plan, check_request, render
from provision.resolve import resolve

MINIATURE = load(Path(__file__).parents[2] / "data" / "catalogue")

DOCKERFILES = sorted((Path(__file__).parents[2] / "data" / "dockerfiles").iterdir())
CPU = Request(vendor=Vendor.CPU)


def plan(request: Request = CPU, network: dict[str, bytes] | None = None) -> Plan:
    checked = check_request(request)
    return render(MINIATURE, resolve(MINIATURE, Host(), checked), checked, network=network)


@pytest.mark.process
@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)
def test_is_clean_for_hadolint(path: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)
def test_avoids_what_an_operator_would_refuse(path: Path) -> None:
    text = path.read_text()
    for word in ("# syntax=", "<<", "trusted=yes", "curl", "--privileged", ":latest", "apt-key", "CUDA_VERSION="):
        assert word not in text
    assert not [line for line in text.splitlines() if line != line.rstrip()]


@pytest.mark.parametrize("path", [one for one in DOCKERFILES if "root" not in one.stem], ids=lambda path: path.stem)
def test_ends_as_a_user_by_number(path: Path) -> None:
    assert "\nUSER ${UID}:${GID}\n" in path.read_text()


def test_packages_come_after_the_framework() -> None:
    text = plan(Request(vendor=Vendor.CPU, packages=("pandas",), apt=("git",))).dockerfile
    assert text.index("tensorflow-cpu==") < text.index("git \\") < text.index("pandas")


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_keras_without_tensorflow_knows_what_it_runs_on(backend: Backend) -> None:
    found = plan(Request(vendor=Vendor.CPU, backend=backend))
    assert found.tag.startswith(f"kgpu-env/cpu:{backend}")
    assert f"\nENV KERAS_BACKEND={backend}\n" in found.dockerfile
    assert f"KERAS_BACKEND={backend} /opt/venv/bin/python -c 'import keras'" in found.dockerfile
    assert "import tensorflow" not in found.dockerfile
    assert "tensorflow==" not in found.dockerfile


def test_what_keras_runs_on_is_no_variable_to_set() -> None:
    with pytest.raises(InputError, match="KERAS_BACKEND"):
        check_request(Request(vendor=Vendor.CPU, env={"KERAS_BACKEND": "jax"}))


def test_the_user_is_the_one_asked_for() -> None:
    text = plan(Request(vendor=Vendor.CPU, user=User(name="dev", uid=1000055, gid=1000055))).dockerfile
    assert "ARG UID=1000055" in text
    assert "--no-log-init" in text  # or a large uid makes a sparse file of gigabytes in the layer


def test_a_users_label_describes_the_image_in_place_of_ours() -> None:
    title = "org.opencontainers.image.title"
    text = plan(Request(vendor=Vendor.CPU, labels={title: "Team image"})).dockerfile
    assert f'LABEL {title}="Team image"' in text
    assert "Keras on cpu" not in text
    assert f'LABEL {title}="Keras on cpu"' in plan().dockerfile


def test_the_labels_that_a_proof_rests_on_are_not_the_users() -> None:
    with pytest.raises(InputError, match=r"io\.kgpu-env"):
        plan(Request(vendor=Vendor.CPU, labels={"io.kgpu-env.plan": "sha256:forged"}))


def test_network_settings_are_mounted_and_not_kept() -> None:
    files = {"network/ca.crt": b"pem", "network/uv.toml": b"", "network/pip.conf": b""}
    result = plan(network=files)
    assert set(result.files) == {"Dockerfile", *files}
    assert "COPY" not in result.dockerfile
    assert not [line for line in result.dockerfile.splitlines() if line.startswith(("ENV", "ARG")) and "/run/" in line]
    for word in ("SSL_CERT_FILE=/run/network/ca.crt", "UV_CONFIG_FILE=/run/network/uv.toml", "PIP_CONFIG_FILE="):
        assert word in result.dockerfile


def test_the_digest_is_the_plans_and_not_the_networks() -> None:
    assert plan().digest == plan(network={"network/ca.crt": b"pem"}).digest
    assert plan().digest != plan(Request(vendor=Vendor.CPU, packages=("pandas",))).digest


def test_the_same_request_gives_the_same_bytes() -> None:
    assert plan().files == plan().files
