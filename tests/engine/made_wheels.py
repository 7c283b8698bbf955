"""Made-up wheels, and images of them: what a layer's bytes depend on, without an index."""

import hashlib
import io
import json
import os
import tarfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from provision.catalogue import load
from provision.engine.docker_engine import DockerEngine
from provision.engine.image_build import BuildOrder, build_stack_image
from provision.engine.network import build_network
from provision.engine.protocol import Context
from provision.lock import Pinned, Wheel, WheelFile, files_of, make_lock, read_lock
from provision.lock.uv_program import provide_uv
from provision.model import Base, BuildResult, Framework, Network, Pin, Request, Route, Stack, Vendor
from provision.model.pins import Use

if TYPE_CHECKING:
    from docker import APIClient

MADE = "kgpu-test/layers"
REFERENCE = read_lock(Path(__file__).parents[2] / "images" / "locks" / "cuda.lock")  # for its uv
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

    @property
    def api(self) -> "APIClient":
        """The SDK's client."""
        return self.engine._api  # noqa: SLF001 - the tests' only way to see and remove what they made

    def remove(self) -> None:
        """Remove all that was built."""
        for image in self.api.images(self.mark):
            self.api.remove_image(image["Id"], force=True)


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


def write_lock(
    folder: Path, address: str, base: str, *, apt: tuple[str, ...] = (), names: tuple[str, ...] = NAMES
) -> None:
    """Write a lock of made-up wheels, whose files are at an address, to a project's folder."""
    wheels = []
    for name in names:
        pin, files = pin_of(name, wheel(name))
        [(path, content)] = files.items()
        file = path.rpartition("/")[2]
        row = WheelFile(file=file, hash=pin.hashes[0], size_bytes=len(content), url=f"{address}/{file}")
        wheels.append(Wheel(name=name, version="1", files=(row,)))
    found = Pinned(tuple(wheels), REFERENCE.tools, REFERENCE.platform, None)
    request = Request(vendor=Vendor.ROCM, apt=apt)
    lock = make_lock(load(), replace(STACK, base=Base(image=base)), request, found)
    for place, written in files_of(lock, folder / "kgpu.lock").items():
        place.write_bytes(written)


def layers(api: "APIClient", built: BuildResult) -> list[str]:
    return list(api.inspect_image(built.image_id)["RootFS"]["Layers"])  # type: ignore[no-untyped-call] # as the SDK has it


def wheels_of(api: "APIClient", base: str, built: BuildResult) -> list[str]:
    """The layers of the wheels: after those of the base, and the one that makes it another base."""
    below = len(api.inspect_image(base)["RootFS"]["Layers"]) + 1  # type: ignore[no-untyped-call] # as above
    return layers(api, built)[below : below + len(NAMES)]


LOCK = "opt/venv/.lock"  # empty; opened by each step, and only some stores list a file that is as it was


def entries_of(maker: Maker, built: BuildResult) -> list[list[tuple[object, ...]]]:
    """What is in the layers of the wheels, in order: names, rights, owners, dates and contents.

    How an engine writes a tar file is its own: Docker 20.10 adds the file's type to the mode and the owner's name, and
    which folders above a file are listed differs between stores: they are left out.
    """
    below = len(maker.api.inspect_image(maker.base)["RootFS"]["Layers"]) + 1  # type: ignore[no-untyped-call] # as above
    saved = io.BytesIO(b"".join(maker.api.get_image(built.tag)))
    with tarfile.open(fileobj=saved) as archive:
        listed = json.loads(content(archive, archive.getmember("manifest.json")))[0]["Layers"]
        found = []
        for name in listed[below : below + len(NAMES)]:
            with tarfile.open(fileobj=io.BytesIO(content(archive, archive.getmember(name)))) as layer:
                found.append([entry(layer, one) for one in layer if not one.isdir() and one.name != LOCK])
        return found


def entry(layer: tarfile.TarFile, one: tarfile.TarInfo) -> tuple[object, ...]:
    """What of a tar's member becomes a file."""
    return one.name, one.mode & 0o7777, one.uid, one.gid, one.mtime, one.type, one.linkname, content(layer, one)


def content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """The bytes of a file, none of a folder or link."""
    if not member.isreg():
        return b""
    file = archive.extractfile(member)
    assert file is not None
    with file:
        return file.read()
