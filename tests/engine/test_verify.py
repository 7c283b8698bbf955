"""The proof in real containers with real TensorFlow: the verdicts, and the reasons of those that prove nothing."""

import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import Access, Context
from provision.model import Host, Proof, Status, Vendor, Verdict
from provision.prove import VerifyRequest, verify

if TYPE_CHECKING:
    from docker import APIClient

LINGER_SECONDS = 15
pytestmark = pytest.mark.engine
NO_GPU = Host(looked_at=("/sys/bus/pci/devices", "/dev/dxg"))


@pytest.fixture(autouse=True)
def _always_removed(api: "APIClient") -> Iterator[None]:
    """Fail a test that leaves a container; those of other runs on this machine carry other numbers."""
    before = containers(api)
    yield
    left = containers(api) - before
    # A container of another run that started meanwhile ends by itself; one that was forgotten stays.
    end = time.monotonic() + LINGER_SECONDS
    while left and time.monotonic() < end:
        time.sleep(0.2)
        left &= containers(api)
    assert left == set()


def containers(api: "APIClient") -> set[str]:
    return {one["Id"] for one in api.containers(all=True, filters={"label": "kgpu-env.run"})}


@pytest.fixture
def empty_image(engine: DockerEngine, tag: str) -> str:
    """An image in which there is a file, and nothing that runs."""
    context = Context(files={"Dockerfile": b"FROM scratch\nCOPY word /word\n", "word": b"nothing"})
    engine.build(context, tag, lambda _: None, {})
    return tag


def prove(engine: DockerEngine, image: str, request: VerifyRequest, access: Access | None = None) -> Proof:
    found = engine.image(image)
    assert found
    return verify(
        engine,
        image,
        found,
        request,
        NO_GPU,
        access or Access(),
        (),
        new_nonce=lambda: uuid.uuid4().hex,
        clock=time.monotonic,
    )


def failed(proof: Proof) -> set[str]:
    return {check.name for check in proof.checks if check.status is Status.FAIL}


def test_the_cpu_asked_for(engine: DockerEngine, tensorflow_image: str) -> None:
    proof = prove(engine, tensorflow_image, VerifyRequest(vendor=Vendor.CPU))
    assert (proof.verdict, proof.code) == (Verdict.CPU, "")
    assert proof.training.losses[-1] < 0.23 < proof.training.losses[0]
    assert proof.versions["tensorflow"].startswith("2.")
    assert proof.image_id.startswith("sha256:")


def test_cuda_asked_for_where_there_is_none(engine: DockerEngine, tensorflow_image: str) -> None:
    proof = prove(engine, tensorflow_image, VerifyRequest(vendor=Vendor.CUDA))
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-501")
    assert proof.reason.startswith("no NVIDIA device on this host")
    assert proof.reason.endswith("the model trained on the CPU")
    assert failed(proof) >= {"visible", "placement", "implicit"}


def test_a_device_that_the_engine_cannot_hand_over(engine: DockerEngine, tensorflow_image: str) -> None:
    access = Access(method="device-nodes", nodes=("/dev/kfd-that-is-not-there",))
    proof = prove(engine, tensorflow_image, VerifyRequest(vendor=Vendor.ROCM), access)
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-502")
    assert "/dev/kfd-that-is-not-there" in proof.seen


def test_an_image_without_python(engine: DockerEngine, empty_image: str) -> None:
    proof = prove(engine, empty_image, VerifyRequest(vendor=Vendor.CPU))
    assert (proof.verdict, proof.code, proof.reason) == (Verdict.NOT_PROVED, "KGE-504", "the image has no Python")


def test_an_image_without_tensorflow(engine: DockerEngine, base: str) -> None:
    proof = prove(engine, base, VerifyRequest(vendor=Vendor.CPU))
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-505")
    assert proof.reason == "the image has no TensorFlow"


def test_a_workload_without_enough_memory(engine: DockerEngine, tensorflow_image: str) -> None:
    request = VerifyRequest(vendor=Vendor.CPU, memory_bytes=64 << 20)
    proof = prove(engine, tensorflow_image, request)
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-503")
    assert "memory" in proof.reason or "killed" in proof.reason


def test_a_workload_that_never_ends(engine: DockerEngine, tensorflow_image: str) -> None:
    begun = time.monotonic()
    proof = prove(engine, tensorflow_image, VerifyRequest(vendor=Vendor.CPU, seconds=2.0, epochs=1_000_000))
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-503")
    assert "time limit" in proof.reason
    assert time.monotonic() - begun < 60
