"""Sabotage in real containers with real TensorFlow."""

import importlib
import io
import json
import platform
import secrets
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from provision.engine.docker import connect
from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import Access, Context, Engine
from provision.model import Driver, Gpu, Host, Proof, Status, Vendor, Verdict
from provision.prove import VerifyRequest, verify

if TYPE_CHECKING:
    from docker import APIClient

V = importlib.import_module("tests.sabotage.conftest")  # as pytest names it with import-mode importlib
STUB = V.module("kgpu_sabotage_stub", Path(__file__).with_name("stub.py"))
pytestmark = pytest.mark.engine
# Hosts with a GPU, as far as the host says; the machine that runs the tests need not have one.
HOST = Host(gpus=(V.GPU,), drivers=(Driver(vendor="nvidia", version="580.95.05"),), kernel="6.1.0")
AMD = Host(gpus=(Gpu(vendor="amd", pci="0000:17:00.0"),), drivers=(Driver(vendor="amd"),), kernel="6.1.0")
HOST_FILE = V.ROOT / "tests" / "data" / "hosts" / "h100-580.json"  # made up after NVIDIA's driver tables
BUILT = "kgpu-test/cuda:sabotage"
DRIVER = "/usr/lib/x86_64-linux-gnu"  # where the NVIDIA runtime puts it


def expected(name: str) -> str:
    code: str = V.scenarios()[name].code
    return code


def not_proved(proof: Proof, name: str) -> None:
    assert proof.verdict is Verdict.NOT_PROVED
    assert proof.code == expected(name), f"{proof.reason}: {proof.seen}"


def status(proof: Proof, name: str) -> Status:
    return next(check.status for check in proof.checks if check.name == name)


def contained(
    engine: Engine,
    image: str,
    vendor: Vendor,
    access: Access = Access(),  # noqa: B008 - it is frozen
    **request: Any,  # noqa: ANN401 - fields of the request
) -> Proof:
    found = engine.image(image)
    assert found
    return verify(
        engine,
        image,
        found,
        VerifyRequest(vendor=vendor, level="quick", **request),
        AMD if vendor is Vendor.ROCM else HOST,
        access,
        V.load().errors,
        new_nonce=lambda: secrets.token_hex(16),
        clock=time.monotonic,
    )


def made(engine: DockerEngine, tag: str, *lines: str, **files: bytes) -> str:
    text = "\n".join((*lines, "")).encode()
    engine.build(Context(files={"Dockerfile": text, **files}), tag, lambda _: None, {})
    return tag


# The CPU wheel calls itself a CUDA build: so that the scenario is about the device, not about the wheel.
CLAIM = (
    "import tensorflow as t\n"
    "b = {**t.sysconfig.get_build_info(), 'is_cuda_build': True}\n"
    "t.sysconfig.get_build_info = lambda: b\n"
)


def claiming(engine: DockerEngine, tag: str, image: str, *lines: str) -> str:
    folder = "/opt/claim"
    return made(
        engine,
        tag,
        f"FROM {image}",
        f"COPY sitecustomize.py {folder}/sitecustomize.py",
        f"ENV PYTHONPATH={folder}",
        *lines,
        **{"sitecustomize.py": CLAIM.encode()},
    )


def test_no_device_request(engine: DockerEngine, tensorflow_image: str, tag: str) -> None:
    proof = contained(engine, claiming(engine, tag, tensorflow_image), Vendor.CUDA)
    not_proved(proof, "no-device-request")
    assert "the model trained on the CPU" in proof.reason


def test_hidden_by_the_image(engine: DockerEngine, tensorflow_image: str, tag: str) -> None:
    image = claiming(engine, tag, tensorflow_image, "ENV CUDA_VISIBLE_DEVICES=-1")
    proof = contained(engine, image, Vendor.CUDA)
    not_proved(proof, "hidden-cuda")
    assert "CUDA_VISIBLE_DEVICES=-1 hides the GPUs" in proof.seen


def test_the_cpu_wheel(engine: DockerEngine, tensorflow_image: str) -> None:
    proof = contained(engine, tensorflow_image, Vendor.CUDA)
    not_proved(proof, "cpu-wheel")
    assert "not built for NVIDIA GPUs" in proof.reason


def test_out_of_memory(engine: DockerEngine, tensorflow_image: str) -> None:
    proof = contained(engine, tensorflow_image, Vendor.CUDA, memory_bytes=64 << 20)
    not_proved(proof, "out-of-memory")


def test_no_python(engine: DockerEngine, tag: str) -> None:
    image = made(engine, tag, "FROM scratch", "COPY word /word", word=b"nothing")
    proof = contained(engine, image, Vendor.CUDA)
    not_proved(proof, "no-python")


def test_no_tensorflow(engine: DockerEngine, base: str) -> None:
    proof = contained(engine, base, Vendor.CUDA)
    not_proved(proof, "no-tensorflow")


CLAIM_ROCM = CLAIM.replace("is_cuda_build", "is_rocm_build")


def test_hidden_from_hip(engine: DockerEngine, tensorflow_image: str, tag: str) -> None:
    folder = "/opt/claim"
    lines = (f"COPY sitecustomize.py {folder}/sitecustomize.py", f"ENV PYTHONPATH={folder} HIP_VISIBLE_DEVICES=")
    image = made(engine, tag, f"FROM {tensorflow_image}", *lines, **{"sitecustomize.py": CLAIM_ROCM.encode()})
    proof = contained(engine, image, Vendor.ROCM)
    not_proved(proof, "hidden-hip")
    assert "HIP_VISIBLE_DEVICES= hides the GPUs" in proof.seen


def packed(**files: bytes) -> bytes:
    """A tar of files that may be executed; a double underscore stands for a slash."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name.replace("__", "/"))
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def test_another_processor(engine: DockerEngine, api: "APIClient", tag: str) -> None:
    """An arm64 image in the engine, as a pull by digest or `docker load` leaves it."""
    other = "amd64" if platform.machine() == "aarch64" else "arm64"
    machine = STUB.X86_64 if other == "amd64" else STUB.AARCH64
    layer = packed(usr__bin__python3=STUB.program(machine))
    config = {
        "architecture": other,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [sha(layer)]},
    }
    listing = [{"Config": "config.json", "RepoTags": [tag], "Layers": ["layer.tar"]}]
    files = {
        "config.json": json.dumps(config).encode(),
        "layer.tar": layer,
        "manifest.json": json.dumps(listing).encode(),
    }
    list(api.load_image(packed(**files)))  # type: ignore[no-untyped-call] # the stubs leave it without types
    proof = contained(engine, tag, Vendor.CUDA)
    not_proved(proof, "other-architecture")
    assert "exec format error" in proof.seen


def sha(content: bytes) -> str:
    import hashlib  # noqa: PLC0415 - here alone

    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_no_container_toolkit(engine: DockerEngine, base: str) -> None:
    if "nvidia" in engine.describe().runtimes or engine.describe().cdi:
        pytest.skip("this engine has a container toolkit")
    proof = contained(engine, base, Vendor.CUDA, Access(method="nvidia-runtime", runtime_ids=("all",)))
    not_proved(proof, "no-toolkit")
    assert "could not select device driver" in proof.seen


@pytest.fixture(scope="session")
def cuda_image(engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """TensorFlow with its CUDA wheels, built by the tool itself; quick where it was built before."""
    if platform.machine() != "x86_64":
        pytest.skip("TensorFlow for CUDA exists for x86-64 only")
    build = ("build", "--vendor", "cuda", "--host", HOST_FILE, "--tag", BUILT)
    ended = V.ENGINE.KgpuEnv(tmp_path_factory.mktemp("cuda"))(*build, timeout=1500)
    assert ended.returncode == 0, ended.stderr
    yield BUILT
    engine._api.remove_image(BUILT, force=True)  # noqa: SLF001 - the only way to remove what the tests made


def with_driver(engine: DockerEngine, tag: str, image: str, functions: dict[str, bytes], *lines: str) -> str:
    """The image with a driver library of ours in it."""
    copies = (f"COPY libcuda.so.1 libnvidia-ml.so.1 {DRIVER}/", *lines)
    libraries = {"libcuda.so.1": STUB.library(functions), "libnvidia-ml.so.1": STUB.library(STUB.NVML)}
    return made(engine, tag, f"FROM {image}", "USER 0", *copies, **libraries)


def test_a_driver_that_finds_no_device(engine: DockerEngine, cuda_image: str, tag: str) -> None:
    proof = contained(engine, with_driver(engine, tag, cuda_image, STUB.NO_DEVICE), Vendor.CUDA)
    not_proved(proof, "stub-libcuda")
    assert "the model trained on the CPU" in proof.reason


def test_a_driver_that_names_a_gpu_where_none_is(engine: DockerEngine, cuda_image: str, tag: str) -> None:
    """TensorFlow lists it, so that every check that counts GPUs passes."""
    proof = contained(engine, with_driver(engine, tag, cuda_image, STUB.LYING), Vendor.CUDA)
    not_proved(proof, "lying-libcuda")
    assert [device.name for device in proof.devices] == ["/device:GPU:0"]
    assert status(proof, "placement") is Status.FAIL


def test_a_driver_that_lacks_what_the_framework_calls(engine: DockerEngine, cuda_image: str, tag: str) -> None:
    half = {name: body for name, body in STUB.LYING.items() if name != "cuDeviceGetAttribute"}
    proof = contained(engine, with_driver(engine, tag, cuda_image, half), Vendor.CUDA)
    not_proved(proof, "half-libcuda")
    assert status(proof, "reported") is Status.PASS
    assert "fails when it lists its devices" in proof.seen


def test_libcudnn_removed(engine: DockerEngine, cuda_image: str, tag: str) -> None:
    remove = "RUN find / -xdev -name 'libcudnn*' -delete"
    proof = contained(engine, with_driver(engine, tag, cuda_image, STUB.LYING, remove), Vendor.CUDA)
    not_proved(proof, "no-libcudnn")
    assert "Cannot dlopen some GPU libraries" in "\n".join(proof.log)


@pytest.fixture
def in_podman(podman: str, api: "APIClient", base: str, tmp_path: Path) -> Iterator[str]:
    """The address of a real Podman that has the base image."""
    saved = tmp_path / "base.tar"
    with saved.open("wb") as file:
        file.writelines(api.get_image(base))
    subprocess.run(["podman", "load", "-q", "-i", saved], check=True, capture_output=True)
    saved.unlink()
    yield podman
    subprocess.run(["podman", "rmi", "-f", base], check=True, capture_output=True)


def test_podman_ignores_the_request(in_podman: str, base: str) -> None:
    from docker import APIClient  # noqa: PLC0415 - slow to import
    from docker.types import DeviceRequest, Ulimit  # noqa: PLC0415 - the same

    engine = connect(in_podman)
    try:
        proof = contained(engine, base, Vendor.CUDA, Access(runtime_ids=("all",)))
    finally:
        engine.close()
    not_proved(proof, "request-ignored")
    assert "ignores device requests" in proof.seen
    # That it does so, and why it is never asked to: the container starts as if nothing had been asked for.
    api = APIClient(base_url=in_podman, version="1.40")
    limits = [Ulimit(name=name, soft=1024, hard=1024) for name in ("nofile", "nproc")]  # what an inner root may set
    asked = api.create_host_config(device_requests=[DeviceRequest(count=-1, capabilities=[["gpu"]])], ulimits=limits)
    made = api.create_container(base, ["true"], host_config=asked)
    try:
        api.start(made)
        assert api.wait(made)["StatusCode"] == 0
    finally:
        api.remove_container(made, force=True)
        api.close()
