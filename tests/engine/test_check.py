"""`kgpu-env check` against a real registry on loopback, filled through its own API: no engine takes part."""

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from provision.cli.app import main
from provision.model import Driver, Gpu, Host, encode

pytestmark = pytest.mark.engine
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
Run = Callable[..., tuple[int, str, str]]


def upload(root: str, body: bytes) -> dict[str, object]:
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    place = requests.post(f"{root}/blobs/uploads/", timeout=10).headers["Location"]
    answer = requests.put(place, params={"digest": digest}, data=body, timeout=10)
    assert answer.status_code == 201
    return {"mediaType": "application/octet-stream", "size": len(body), "digest": digest}


@pytest.fixture
def image(registry: str) -> Callable[[list[str]], tuple[str, int]]:
    """Push an image with this environment; returns its name and the size of manifest and configuration."""

    def push(env: list[str]) -> tuple[str, int]:
        root = f"http://{registry}/v2/kgpu-test/checked"
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Env": env}}).encode()
        layer = upload(root, b"x" * 1_000_000)
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": upload(root, config) | {"mediaType": "application/vnd.docker.container.image.v1+json"},
            "layers": [layer | {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip"}],
        }
        body = json.dumps(manifest).encode()
        answer = requests.put(f"{root}/manifests/1", data=body, headers={"Content-Type": MANIFEST}, timeout=10)
        assert answer.status_code == 201, answer.text
        return f"{registry}/kgpu-test/checked:1", len(body) + len(config)

    return push


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run the command line in this process; returns exit code, stdout and stderr."""
    file = tmp_path / "host.json"
    gpu = Gpu(vendor="nvidia", name="NVIDIA GeForce RTX 4090", architecture="sm_89")
    file.write_text(encode(Host(gpus=(gpu,), drivers=(Driver(vendor="nvidia", version="550.54.15"),))))

    def start(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kgpu-env", *words, "--host", str(file)])
        with pytest.raises(SystemExit) as ended:
            main()
        out = capsys.readouterr()
        return int(ended.value.code or 0), out.out, out.err

    return start


def test_an_image_that_starts(image: Callable[[list[str]], tuple[str, int]], run: Run) -> None:
    name, size = image(["NVIDIA_REQUIRE_CUDA=cuda>=12.4", "CUDA_VERSION=12.4.1"])
    code, out, err = run("check", name)
    assert code == 0
    assert f"{name} starts on this host." in out
    assert f"{size:,} bytes from the registry" in err


def test_an_image_that_does_not_start_is_refused_before_the_pull(
    image: Callable[[list[str]], tuple[str, int]], run: Run
) -> None:
    name, size = image(["NVIDIA_REQUIRE_CUDA=cuda>=12.8 brand=tesla,driver>=550,driver<551", "CUDA_VERSION=12.8.1"])
    code, out, err = run("check", name, "--json")
    assert code == 4
    found = json.loads(out)
    assert found["code"] == "KGE-242"
    assert "nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04" in found["fix"]
    assert f"{size:,} bytes from the registry" in err


def test_an_image_that_the_registry_lacks(registry: str, run: Run) -> None:
    code, _, err = run("check", f"{registry}/kgpu-test/none:1")
    assert code == 6
    assert "KGE-422" in err


@pytest.mark.parametrize(
    ("env", "told"),
    [
        (
            ["JAX_VERSION=0.12.0.1", "CUDA_VERSION=11.8.0"],
            "WRONG: JAX 0.12.0.1 opens libcudart.so.13 or libcudart.so.12",
        ),
        (["TORCH_VERSION=2.9.0+cu130"], "WRONG: torch 2.9.0 with CUDA 13.0 needs driver 580.65.06"),
        (["TORCH_VERSION=2.5.1+cu124"], "driver 550.54.15 serves torch 2.5.1 with CUDA 12.4"),
    ],
)
def test_the_framework_inside_is_judged(
    image: Callable[[list[str]], tuple[str, int]], run: Run, env: list[str], told: str
) -> None:
    name, _ = image(env)
    code, out, _ = run("check", name)
    assert (code, told in out) == (0, True), out
