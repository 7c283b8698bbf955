"""An image with Keras on JAX, from the request to the verdict, as a user makes it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provision.engine.docker_engine import DockerEngine
from provision.model.labels import stack_of

KgpuEnv = Any  # the class of conftest.py
pytestmark = pytest.mark.engine


def test_keras_on_jax_trains_on_the_cpu(
    kgpu_env: KgpuEnv, engine: DockerEngine, tag: str, locked: Callable[[Path, str], list[str]]
) -> None:
    """Python 3.11: the base that the other tests use."""
    built = kgpu_env("build", *locked(kgpu_env.folder, "jax"), "--tag", tag, "--json")
    assert built.returncode == 0, built.stderr
    image = engine.image(tag)
    assert image
    stack = stack_of(image.labels)
    assert stack
    assert "KERAS_BACKEND=jax" in image.env
    assert stack.framework.name == "jax"

    ended = kgpu_env("verify", tag, "--json")  # what Keras runs on is told by the label alone
    assert ended.returncode == 0, ended.stderr
    proof = json.loads(ended.stdout)
    assert (proof["verdict"], proof["backend"]) == ("cpu", "jax")
    assert proof["versions"]["jax"] == stack.framework.version

    other = kgpu_env("verify", tag, "--backend", "tensorflow", "--json")
    assert (other.returncode, json.loads(other.stdout)["code"]) == (7, "KGE-505")
