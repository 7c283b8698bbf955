"""What holds for every Dockerfile, whatever the stack."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from provision.catalogue import load
from provision.errors import InputError
from provision.model import Backend, Host, Pin, Request, User, Vendor
from provision.model.request import Contents, WheelCache
from provision.render import Plan, check_request, render
from provision.render.dockerfile import UV
from provision.resolve import resolve

MINIATURE = load(Path(__file__).parents[2] / "data" / "catalogue")

DOCKERFILES = sorted((Path(__file__).parents[2] / "data" / "dockerfiles").iterdir())
CPU = Request(vendor=Vendor.CPU)


CACHES: tuple[WheelCache, WheelCache] = ("mount", "layer")


def plan(request: Request = CPU, network: dict[str, bytes] | None = None, **options: Any) -> Plan:  # noqa: ANN401 - passed through
    checked = check_request(request)
    return render(MINIATURE, resolve(MINIATURE, Host(), checked), checked, network=network, **options)


def pin(name: str, version: str = "1", **fields: Any) -> Pin:  # noqa: ANN401 - passed through
    return Pin(name=name, version=version, hashes=(f"sha256:{'1' * 64}",), **fields)


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
    asked = Request(vendor=Vendor.CPU, packages=("pandas",), apt=("git",))
    text = plan(asked, pins=(pin("pandas", use="added"), pin("tensorflow-cpu"))).dockerfile
    assert text.index("tensorflow-cpu==1 ") < text.index("git \\") < text.index("pandas==1 ")


def test_what_is_not_pinned_is_resolved_at_once() -> None:
    text = plan(Request(vendor=Vendor.CPU, packages=("pandas",))).dockerfile
    [step] = [one for one in text.split("\nRUN ") if "uv pip install" in one]
    assert "tensorflow-cpu==" in step
    assert "pandas" in step
    assert "--no-deps" not in step


def test_what_changes_seldom_is_installed_first_whatever_the_order() -> None:
    names = ("zlib", "nvidia-nccl-cu12", "absl-py", "nvidia-cudnn-cu12", "uv")
    found = plan(pins=[pin(name, use="tool" if name == "uv" else "framework") for name in names]).dockerfile
    lists = re.findall(r"'([a-z0-9-]+)==1 .*|> /opt/venv/requirements/(\w+).txt", found)
    told = [first or f"{second}:" for first, second in lists]
    layers = [
        ["nvidia-cudnn-cu12", "runtime:"],
        ["nvidia-nccl-cu12", "collectives:"],
        ["absl-py", "zlib", "framework:"],
    ]
    assert told == ["uv", *(word for layer in layers for word in layer)]


def test_a_layer_says_nothing_of_the_stack_that_it_is_for() -> None:
    """Two releases of a framework on one CUDA share its layer: the text decides whether the engine's cache has it."""
    cuda, others = pin("nvidia-cudnn-cu12"), (pin("tensorflow"), pin("tensorflow", version="2"))
    first, second = (plan(pins=(cuda, other)).dockerfile.split("# The framework")[0] for other in others)
    assert first.partition("FROM")[2] == second.partition("FROM")[2]


@pytest.mark.parametrize(("contents", "left_out"), [("runtime", True), ("devel", False), ("full", False)])
def test_headers_are_left_out_where_nothing_is_compiled(contents: Contents, *, left_out: bool) -> None:
    text = plan(Request(vendor=Vendor.CPU, contents=contents), pins=(pin("tensorflow"),)).dockerfile
    assert ("site-packages/tensorflow/include" in text) is left_out


def test_a_cut_is_for_the_framework_that_was_looked_at() -> None:
    """torch is linked with cuRAND, and NCCL lies in no layer of cuBLAS."""
    rows = {row.id: row for row in MINIATURE.contents.cuts}
    assert set(rows["curand"].backends) == {"tensorflow"}
    known = {row.id for row in MINIATURE.contents.layers}
    assert all(set(row.layers) <= known for row in rows.values())


def test_how_wheels_are_kept_is_no_part_of_the_plan() -> None:
    kept, unpacked = (plan(pins=(pin("six"),), cache=cache) for cache in CACHES)
    assert kept.digest == unpacked.digest
    assert "--mount=type=cache,target=/dev/cache" in kept.dockerfile
    assert "rm -rf /opt/venv/.cache" not in kept.dockerfile
    assert "type=cache" not in unpacked.dockerfile.partition("AS tools")[2].partition("FROM")[2]


def test_a_file_of_the_context_is_installed_from_there() -> None:
    text = plan(pins=(pin("six", origin="wheels/six.whl"),)).dockerfile
    assert "--mount=type=bind,target=/dev/context" in text
    assert "--no-index \\\n      '--find-links /dev/context/wheels' \\\n      'six==1 --hash=" in text
    both = plan(pins=(pin("six", origin="wheels/six.whl"), pin("absl-py"))).dockerfile
    assert "--no-index" not in both


def test_a_context_with_uv_needs_no_stage_for_it() -> None:
    alone, brought = plan(pins=(pin("six"),)), plan(network={UV: b""}, pins=(pin("six"),))
    assert (alone.dockerfile.count("\nFROM "), brought.dockerfile.count("\nFROM ")) == (2, 1)
    assert "--mount=type=bind,source=tools,target=/dev/uv" in brought.dockerfile
    assert alone.digest == brought.digest


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
    assert not [line for line in result.dockerfile.splitlines() if line.startswith(("ENV", "ARG")) and "/dev/" in line]
    for word in ("SSL_CERT_FILE=/dev/network/ca.crt", "UV_CONFIG_FILE=/dev/network/uv.toml", "PIP_CONFIG_FILE="):
        assert word in result.dockerfile


def test_the_digest_is_the_plans_and_not_the_networks() -> None:
    assert plan().digest == plan(network={"network/ca.crt": b"pem"}).digest
    assert plan().digest != plan(Request(vendor=Vendor.CPU, packages=("pandas",))).digest


def test_the_same_request_gives_the_same_bytes() -> None:
    assert plan().files == plan().files
