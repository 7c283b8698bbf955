"""Images of others, known by name: what they say of themselves must go together."""

import pytest

from provision.catalogue import load
from provision.resolve.image_contents import contents, known_image

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
