"""The whole way for CUDA with the real wheels: about 5 GB and, without a warm cache, some minutes."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import Image

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = pytest.mark.engine
HOST = Path(__file__).parents[1] / "data" / "hosts" / "h100-580.json"  # made up after NVIDIA's driver tables
TAG = "kgpu-test/cuda:1"


def label(image: Image) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(image.labels["io.kgpu-env.stack"])
    return found


def test_up_for_another_machines_h100(kgpu_env: Any, engine: DockerEngine, api: "APIClient") -> None:  # noqa: ANN401 - the class of conftest.py
    if any(path.exists() for path in map(Path, ("/dev/nvidiactl", "/dev/dxg"))):
        pytest.fail("this test is about a host without a GPU")
    try:
        ended = kgpu_env("up", "--vendor", "cuda", "--host", HOST, "--json", "--tag", TAG, timeout=1500)
        assert ended.returncode == 7, ended.stderr
        proof = json.loads(ended.stdout)
        image = engine.image(TAG)
        assert image
        assert proof["image_id"] == image.image_id
    finally:
        if engine.image(TAG):
            api.remove_image(TAG, force=True)
    assert (proof["verdict"], proof["code"]) == ("not-proved", "KGE-501")
    assert proof["reason"].startswith("no NVIDIA device on this host")
    assert proof["versions"]["tensorflow"] == label(image)["framework"]["version"]  # it really ran
    assert image.size_bytes < 5.5e9
    assert {"NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=compute,utility"} <= set(image.env)
    assert not [one for one in image.env if one.startswith("CUDA_VERSION")]
    assert label(image)["vendor"] == "cuda"
