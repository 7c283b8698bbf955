"""Images of others, known by name: what they say of themselves must go together."""

import pytest

from provision.catalogue import load
from provision.model import Driver, Host, Request, Vendor
from provision.model.base import encode
from provision.model.labels import STACK
from provision.resolve import resolve
from provision.resolve.image_contents import contents
from provision.resolve.image_framework import known_image

FACTS = load()
FITTING = {"CUDA_VERSION": "12.3.0", "NV_CUDNN_VERSION": "9.3.0.75-1"}


@pytest.mark.parametrize(
    ("image", "row"),
    [
        ("tensorflow/tensorflow:2.17.0-gpu", "tensorflow-gpu"),
        ("docker.io/tensorflow/tensorflow:2.17.0-gpu-jupyter", "tensorflow-gpu"),
        ("tensorflow/tensorflow:2.17.0", "tensorflow-plain"),
        ("nvcr.io/nvidia/tensorflow:24.02-tf2-py3", "ngc-tensorflow"),
        ("rocm/tensorflow:rocm7.2-py3.12-tf2.20-dev", "rocm-tensorflow"),
        ("rocm/tensorflow:rocm10.0-ubuntu24.04-py3.12-tf2.21", "rocm-tensorflow"),
        ("quay.io/jupyter/tensorflow-notebook:cuda-latest", "jupyter-tensorflow-cuda"),
        ("quay.io/jupyter/tensorflow-notebook:2026-04-27", "jupyter-tensorflow"),
        ("quay.io/jupyter/tensorflow-notebook", "jupyter-tensorflow"),
        ("pytorch/pytorch:2.7.1-cuda12.8-cudnn9-devel", "pytorch"),
        ("ghcr.io/pytorch/pytorch:2.3.0-cuda11.8-cudnn8-runtime", "pytorch-ghcr"),
        ("nvcr.io/nvidia/pytorch:25.04-py3", "ngc-pytorch"),
        ("nvcr.io/nvidia/jax:25.04-maxtext-py3", "ngc-jax"),
        ("ghcr.io/nvidia/jax:jax-2026-09-07", "jax-toolbox"),
        ("rocm/pytorch:rocm6.4.3_ubuntu24.04_py3.12_pytorch_release_2.6.0", "rocm-pytorch"),
        ("rocm/jax:rocm7.0.2-jax0.6.0-py3.12-ubu24", "rocm-jax"),
        ("quay.io/jupyter/pytorch-notebook:cuda12-latest", "jupyter-pytorch-cuda"),
        ("quay.io/jupyter/pytorch-notebook:2026-04-27", "jupyter-pytorch"),
        ("team.example/tensorflow/tensorflow:2.17.0-gpu", None),
        ("debian:12", None),
        ("NOT an image", None),
    ],
)
def test_images_are_known_by_name(image: str, row: str | None) -> None:
    found = known_image(FACTS, image)
    assert (found.id if found else None) == row


def told(image: str, **environment: str) -> str:
    return "\n".join(contents(FACTS, image, environment))


def test_another_major_version_is_named_with_the_file_that_is_missing() -> None:
    text = told("tensorflow/tensorflow:2.21.0-gpu", **{**FITTING, "CUDA_VERSION": "11.8.0"})
    assert "WRONG: TensorFlow 2.21.0 opens libcudart.so.12 (built with CUDA 12.5.1)" in text
    assert "the image says CUDA 11.8.0" in text


def test_an_older_cudnn_is_named() -> None:
    text = told("tensorflow/tensorflow:2.21.0-gpu", **{**FITTING, "NV_CUDNN_VERSION": "9.1.0.70-1"})
    assert "WRONG: TensorFlow 2.21.0 was built with cuDNN 9.3.0.75, and the image says 9.1.0.70" in text


def test_what_goes_together_and_what_is_not_told() -> None:
    assert "WRONG" not in told("tensorflow/tensorflow:2.21.0-gpu", **FITTING)
    text = told("tensorflow/tensorflow:2.21.0-gpu", CUDA_VERSION="12.3.0")
    assert "does not tell its cuDNN: TensorFlow 2.21.0 needs 9.3.0.75" in text
    assert "no TensorFlow 2.99.0" in told("tensorflow/tensorflow:2.99.0-gpu", **FITTING)


def test_a_makers_own_build_is_not_judged_by_the_wheels() -> None:
    text = told("nvcr.io/nvidia/tensorflow:24.02-tf2-py3", TENSORFLOW_VERSION="2.15.0", CUDA_VERSION="11.8.0")
    assert "tensorflow 2.15.0, by its own variables" in text
    assert "WRONG" not in text


def on(driver: str, image: str, **environment: str) -> str:
    host = Host(drivers=(Driver(vendor="nvidia", version=driver),))
    return "\n".join(contents(FACTS, image, environment, {}, host))


JAX = "team.example/jax:0.12.0.1"


def test_jax_needs_the_major_version_of_one_of_its_builds() -> None:
    text = told(JAX, CUDA_VERSION="11.8.0", NV_CUDNN_VERSION="9.13.0.50-1")
    assert "jax 0.12.0.1, by its name" in text
    assert "opens libcudart.so.13 or libcudart.so.12 (built with CUDA 13.0.2 or 12.9.1)" in text
    assert "the image says CUDA 11.8.0: no GPU will be found" in text
    for cuda, cudnn in (("13.0.1", "9.13.0.50-1"), ("12.9.1", "9.10.2.21-1")):
        assert "WRONG" not in told(JAX, CUDA_VERSION=cuda, NV_CUDNN_VERSION=cudnn)


def test_jax_refuses_an_older_cudnn_than_it_was_built_with() -> None:
    text = told(JAX, CUDA_VERSION="13.0.1", NV_CUDNN_VERSION="9.10.2.21-1")
    assert "WRONG: JAX 0.12.0.1 was built with cuDNN 9.12, and the image says 9.10.2.21" in text


def test_torch_brings_its_own_cuda_which_the_driver_has_to_serve() -> None:
    image = "pytorch/pytorch:2.7.1-cuda12.8-cudnn9-runtime"
    assert "driver 550.54.15 serves torch 2.7.1 with CUDA 12.8" in on("550.54.15", image)
    text = on("470.256.02", image, CUDA_VERSION="12.8.1")
    assert "WRONG: torch 2.7.1 with CUDA 12.8 needs driver 525.60.13, and this host has 470.256.02" in text
    text = on("550.54.15", "team.example/torch:2.15.0", CUDA_VERSION="12.4.1")
    assert "brings CUDA 13.2.2 and cuDNN 9.26.0.51: the image's are not opened" in text
    assert "extensions that are compiled inside will be refused: the image's CUDA 12.4.1" in text
    assert "WRONG: torch 2.15.0 with CUDA 13.2.2 needs driver 580.65.06" in text


@pytest.mark.parametrize(
    ("image", "environment", "said"),
    [
        ("team.example/x:1", {"TORCH_VERSION": "2.5.1+cu124"}, "torch 2.5.1, by its own variables"),
        ("team.example/x:1", {"JAX_VERSION": "0.10.2"}, "jax 0.10.2, by its own variables"),
        ("team.example/keras-tf2.17:3", {}, "tensorflow 2.17, by its name"),
        ("team.example/train:pytorch2.5.1-cuda12.4", {}, "torch 2.5.1, by its name"),
        ("nvcr.io/nvidia/pytorch:25.04-py3", {"PYTORCH_VERSION": "2.7.0a0+79aa17489c"}, "torch 2.7.0, by its own"),
        ("rocm/jax:rocm7.1-jax0.7.1-py3.12", {}, "jax 0.7.1, by its tag"),
    ],
)
def test_a_framework_is_found_in_what_an_image_tells(image: str, environment: dict[str, str], said: str) -> None:
    assert said in told(image, **environment)


@pytest.mark.parametrize(
    "image", ["team.example/x:1", "team.example/stuff2.17:1", "team.example/torchlight:2", "debian"]
)
def test_what_tells_nothing_is_not_guessed(image: str) -> None:
    assert told(image, CUDA_VERSION="11.8.0") == ""


def test_a_build_for_another_maker_or_the_processor_is_not_held_against_cuda() -> None:
    for image in ("team.example/tf2.21:rocm7.2", "team.example/jax0.10.2:cpu"):
        assert "WRONG" not in on("470.256.02", image, CUDA_VERSION="11.8.0")


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTORCH_VERSION": "2.7.1+rocm6.3"},
        {"PYTORCH_VERSION": "2.7.1+cpu", "CUDA_VERSION": "12.8.1"},
        {"PYTORCH_VERSION": "2.7.1", "ROCM_PATH": "/opt/rocm"},
    ],
)
def test_a_version_tells_what_it_was_built_for(environment: dict[str, str]) -> None:
    assert on("470.256.02", "team.example/x:1", **environment) == "torch 2.7.1, by its own variables"


@pytest.mark.parametrize("environment", [{"CUDA_VERSION": "12.8.1", "ROCM_PATH": "/opt/rocm"}, {}])
@pytest.mark.parametrize("version", ["2.7.1", "2.7.1+cu128"])
def test_a_build_for_cuda_is_held_against_the_driver(version: str, environment: dict[str, str]) -> None:
    text = on("470.256.02", "team.example/x:1", PYTORCH_VERSION=version, **environment)
    assert "WRONG" in text


def test_labels_of_this_program_tell_the_stack() -> None:
    stack = resolve(FACTS, Host(), Request(vendor=Vendor.CPU, backend="jax"))
    [said] = contents(FACTS, "x:1", {"CUDA_VERSION": "11.8.0"}, {STACK: encode(stack)})
    assert said == f"jax {stack.framework.version}, by its labels"
    labels = {"org.opencontainers.image.description": "Trainer on TensorFlow 2.21.0 and others"}
    text = "\n".join(contents(FACTS, "x:1", {"CUDA_VERSION": "11.8.0"}, labels))
    assert "tensorflow 2.21.0, by its labels" in text
    assert "WRONG: TensorFlow 2.21.0 opens libcudart.so.12" in text
