"""Layers of a real engine: the same wheels are the same bytes, a layer's change leaves those below, a limit is kept."""

import hashlib
import io
import os
import time
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from provision import api as kgpu
from provision.catalogue import load
from provision.engine.docker_engine import DockerEngine
from provision.engine.image_build import BuildOrder, build_stack_image
from provision.engine.network import build_network
from provision.engine.protocol import Context, Run
from provision.errors import BuildError
from provision.lock.uv_program import provide_uv
from provision.model import Base, BuildResult, Framework, Network, Pin, Request, Route, Stack, Vendor
from provision.model.pins import Use

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = pytest.mark.engine
MADE = "kgpu-test/layers"
NAMES = ("nvidia-demo-cu12", "nvidia-nccl-demo", "demo")


def wheel(name: str, version: str = "1") -> bytes:
    """A wheel with a module, a header and a library of a megabyte."""
    module, info = name.replace("-", "_"), f"{name.replace('-', '_')}-{version}.dist-info"
    files = {
        f"{module}/__init__.py": "".join(
            f"def f{number}(a, b={number}):\n    return {{a: b}}\n" for number in range(99)
        ),
        f"nvidia/{module}/include/x.h": "int x;\n" * 1000,
        f"nvidia/{module}/lib/libx.so": "x" * 1_000_000,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: none\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    listed = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in (*files.items(), (f"{info}/RECORD", listed)):
            archive.writestr(zipfile.ZipInfo(path), text)
    return buffer.getvalue()


def pin_of(name: str, content: bytes, use: Use = "framework", version: str = "1") -> tuple[Pin, dict[str, bytes]]:
    path = f"wheels/{name.replace('-', '_')}-{version}-py3-none-any.whl"
    found = hashlib.sha256(content).hexdigest()
    return Pin(name=name, version=version, hashes=(f"sha256:{found}",), origin=path, use=use), {path: content}


class Maker:
    """Builds made-up wheels on an engine."""

    def __init__(self, engine: DockerEngine, base: str) -> None:
        self.engine, self.base, self.made = engine, base, 0
        self.mark = f"{MADE}{time.monotonic_ns()}"

    def __call__(self, *more: tuple[Pin, dict[str, bytes]], fresh: bool = False, **options: object) -> BuildResult:
        """Build and return; `fresh`: on a base that no cache has."""
        self.made += 1
        base = f"{self.mark}:base{self.made if fresh else ''}"
        text = f"FROM {self.base}\nRUN echo {base} > /etc/made\n"
        self.engine.build(Context(files={"Dockerfile": text.encode()}), base, lambda _: None, {})
        pins, files = zip(*(pin_of(name, wheel(name)) for name in NAMES), *more, strict=True)
        network = build_network(Network(), os.environ)
        uv = provide_uv("0.13.9", (), self.engine.describe().architecture, cache=None, files=network.files, log=print)
        assert uv is not None
        given = replace(network, files=network.files | {key: one for file in files for key, one in file.items()})
        stack = replace(STACK, base=Base(image=base))
        order = BuildOrder(
            stack=stack,
            request=Request(vendor=Vendor.ROCM),
            network=given,
            pins=pins,
            uv=uv,
            tag=f"{self.mark}:{self.made}",
        )
        return build_stack_image(self.engine, load(), replace(order, **options), print, lambda _: None)


# Of all vendors' frameworks ROCm's alone is not imported while it builds.
STACK = Stack(
    vendor=Vendor.ROCM,
    route=Route.WHEELS,
    framework=Framework(name="tensorflow", version="2.21"),
    runtime=Framework(name="rocm", version="7.14.1"),
    python="3.11",
    base=Base(image=""),
    python_in_base=True,
    summary="made-up wheels",
)


@pytest.fixture
def make(engine: DockerEngine, base: str, api: "APIClient") -> Iterator[Maker]:
    maker = Maker(engine, base)
    yield maker
    for image in api.images(maker.mark):
        api.remove_image(image["Id"], force=True)


def layers(api: "APIClient", built: BuildResult) -> list[str]:
    return list(api.inspect_image(built.image_id)["RootFS"]["Layers"])  # type: ignore[no-untyped-call] # as the SDK has it


def wheels_of(api: "APIClient", make: Maker, built: BuildResult) -> list[str]:
    """The layers of the wheels: after those of the base, and the one that makes it another base."""
    base = len(api.inspect_image(make.base)["RootFS"]["Layers"]) + 1  # type: ignore[no-untyped-call] # the same
    return layers(api, built)[base : base + len(NAMES)]


def test_the_same_wheels_are_the_same_bytes(make: Maker, api: "APIClient") -> None:
    first, second = make(fresh=True), make(fresh=True)
    assert first.steps_cached == second.steps_cached == 0
    assert wheels_of(api, make, first) == wheels_of(api, make, second)
    assert len(set(layers(api, first))) == len(layers(api, first))


def test_a_kept_cache_gives_the_same_bytes(make: Maker, api: "APIClient") -> None:
    first, second = make(fresh=True), make(fresh=True, cache="mount")
    assert wheels_of(api, make, first) == wheels_of(api, make, second)


def test_an_added_package_is_a_layer_of_its_own(make: Maker, api: "APIClient") -> None:
    plain = make()
    more = make(pin_of("added", wheel("added"), "added"))
    assert more.steps_cached == len(NAMES)
    assert layers(api, plain)[:-2] == layers(api, more)[: len(layers(api, plain)) - 2]


def test_what_is_bound_leaves_no_trace_and_modules_are_compiled(make: Maker, engine: DockerEngine) -> None:
    built = make()
    places = "/dev/uv /dev/network /dev/context /opt/venv/.cache /root/.cache"
    look = f"ls -A {places} 2>/dev/null; find /opt -newermt 1980-01-02"
    assert engine.run(Run(image=built.tag, command=("sh", "-c", look), user="0")).stdout == ""
    look = "find /opt -path '*demo*pyc' -o -path '*nvidia/nvidia*.h'"
    found = engine.run(Run(image=built.tag, command=("sh", "-c", look)))
    assert [path.rpartition(".")[2] for path in found.stdout.split()] == ["pyc"] * len(NAMES)


def test_a_size_is_told_by_layer_and_by_package(make: Maker, engine: DockerEngine) -> None:
    found = kgpu.image_size(make().tag, engine=engine)
    sizes = {one.name: one.bytes for one in found.packages}
    assert set(sizes) >= set(NAMES)
    assert all(1_000_000 < sizes[name] < 1_100_000 for name in NAMES)
    assert sum(one.bytes for one in found.layers) == found.bytes
    assert len([one for one in found.layers if 1_000_000 < one.bytes < 2_000_000]) == len(NAMES)


def test_an_image_that_is_too_large_leaves_no_tag(make: Maker, engine: DockerEngine) -> None:
    with pytest.raises(BuildError) as caught:
        make(max_size="1MB", tag=f"{make.mark}:large")
    assert (caught.value.code, caught.value.exit_code) == ("KGE-419", 6)
    assert engine.image(f"{make.mark}:large") is None


def test_an_image_that_is_too_large_leaves_the_older_one(make: Maker, engine: DockerEngine) -> None:
    tag = f"{make.mark}:kept"
    first = make(max_size="3GB", tag=tag)
    with pytest.raises(BuildError, match="is the limit"):
        make(pin_of("added", wheel("added"), "added"), max_size="1MB", tag=tag)
    image = engine.image(tag)
    assert image is not None
    assert image.image_id == first.image_id


def test_the_same_image_again_is_not_lost_to_a_limit(make: Maker, engine: DockerEngine) -> None:
    tag = f"{make.mark}:again"
    make(tag=tag)
    with pytest.raises(BuildError):
        make(max_size="1MB", tag=tag)
    assert engine.image(tag) is not None
