"""`kgpu-env verify` as a user runs it, with GPUs that really arrive by CDI and are /dev/null by other names."""

import json
from pathlib import Path
from typing import Any

import pytest

KgpuEnv = Any  # the class of ../conftest.py
Modern = Any  # the class of conftest.py
pytestmark = pytest.mark.engine
HOSTS = Path(__file__).parents[2] / "data" / "hosts"  # synthetic: this machine has no GPU
NULL = "/dev/null"


def verified(kgpu_env: KgpuEnv, docker28: Modern, image: str, vendor: str, host: str) -> dict[str, Any]:
    """The proof of an image that has no framework: the verdict is known, what matters is what was seen inside."""
    words = ("verify", image, "--vendor", vendor, "--host", HOSTS / f"{host}.json", "--json")
    ended = kgpu_env(*words, env=docker28.environment)
    assert ended.returncode == 7, ended.stderr
    proof: dict[str, Any] = json.loads(ended.stdout)
    assert proof["verdict"] == "not-proved"
    containers = docker28.api.containers(all=True)
    assert containers == []
    return proof


def check(proof: dict[str, Any], name: str) -> tuple[str, str]:
    (found,) = [one for one in proof["checks"] if one["name"] == name]
    return found["status"], found["detail"]


@pytest.mark.parametrize(
    ("vendor", "host", "kind", "paths", "seen"),
    [
        ("cuda", "h100-580", "nvidia.com/gpu", ("/dev/nvidia0", "/dev/nvidiactl"), "/dev/nvidia0 opens"),
        ("rocm", "mi300x-spx", "amd.com/gpu", ("/dev/kfd", "/dev/dri/renderD128"), "/dev/kfd opens"),
    ],
)
def test_the_gpu_arrives_and_the_image_has_no_framework(  # noqa: PLR0913, PLR0917 - one vendor's values
    kgpu_env: KgpuEnv,
    docker28: Modern,
    debian: str,
    vendor: str,
    host: str,
    kind: str,
    paths: tuple[str, ...],
    seen: str,
) -> None:
    docker28.spec(kind, {"all": {"deviceNodes": [{"path": path, "hostPath": NULL} for path in paths]}})
    proof = verified(kgpu_env, docker28, debian, vendor, host)
    assert (proof["code"], proof["reason"]) == ("KGE-505", "the image has no TensorFlow")
    assert check(proof, "started")[0] == "pass"
    assert check(proof, "visible") == ("unknown", f"{seen}; TensorFlow could not be asked")


BOUND = {"options": ["ro", "nosuid", "nodev", "bind"]}  # nvidia-ctk's own
GONE = {
    "device": {"deviceNodes": [{"path": "/dev/nvidia0", "hostPath": "/dev/kgpu-gone"}]},
    "library": {"mounts": [{"hostPath": "/kgpu-gone/libcuda.so.1", "containerPath": "/usr/lib/libcuda.so.1", **BOUND}]},
    "hook": {"hooks": [{"hookName": "createContainer", "path": "/kgpu-gone/nvidia-ctk", "args": ["nvidia-ctk"]}]},
}


@pytest.mark.parametrize("what", GONE)
def test_a_specification_that_is_out_of_date(kgpu_env: KgpuEnv, docker28: Modern, debian: str, what: str) -> None:
    """As after a driver update: the specification names what is not there any more."""
    docker28.spec("nvidia.com/gpu", {"all": GONE[what]})
    proof = verified(kgpu_env, docker28, debian, "cuda", "h100-580")
    assert check(proof, "started")[0] == "fail"
    assert "kgpu-gone" in proof["seen"]
    assert proof["code"] == "KGE-533", proof["seen"]
