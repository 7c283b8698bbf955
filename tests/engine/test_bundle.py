"""A bundle of made-up wheels: written from a real engine and a real index, built and proved in a network of its own.

`unshare --net` leaves no route and no loopback; the engine's socket is a file, and answers.
"""

import hashlib
import io
import os
import shutil
import signal
import tarfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from msgspec.structs import replace

from provision.bundle import Bundle, pack
from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import Context, Run
from provision.lock import read_lock, with_debian

KgpuEnv = Any  # the class of conftest.py
pytestmark = pytest.mark.engine
ALONE = ("unshare", "--net")  # needs root, as the tests of other networks do


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def index(tmp_path: Path, made_wheels: ModuleType) -> Iterator[str]:
    """The address of a folder of wheels."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in made_wheels.NAMES:
        pin, files = made_wheels.pin_of(name, made_wheels.wheel(name))
        [content] = files.values()
        (folder / pin.origin.rpartition("/")[2]).write_bytes(content)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def locked_folder(kgpu_env: KgpuEnv, index: str, base: str, made_wheels: ModuleType) -> Path:
    """The command's folder, with a lock of the made-up wheels in it."""
    folder: Path = kgpu_env.folder
    made_wheels.write_lock(folder, index, base)
    return folder


@pytest.fixture
def bundled(kgpu_env: KgpuEnv, locked_folder: Path, engine: DockerEngine) -> Iterator[Path]:
    ended = kgpu_env("bundle", "-o", "one.tar", env=cache(locked_folder))
    assert ended.returncode == 0, ended.stderr
    before = set(loaded(engine))
    yield locked_folder / "one.tar"
    for name in set(loaded(engine)) - before:
        engine.remove(name)


def loaded(engine: DockerEngine) -> list[str]:
    """The names that images of bundles have."""
    images = engine._api.images()  # noqa: SLF001 - the tests' only way to remove what they made
    return [name for one in images for name in one["RepoTags"] or () if name.startswith("kgpu-env/bundle-")]


def cache(folder: Path) -> dict[str, str]:
    """The wheels that were fetched are this test's own."""
    uv = os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv"))
    return {"XDG_CACHE_HOME": str(folder / "cache"), "UV_CACHE_DIR": uv}


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_two_bundles_of_one_lock_are_the_same_bytes(kgpu_env: KgpuEnv, bundled: Path) -> None:
    shutil.rmtree(bundled.parent / "index")  # what was fetched is kept, so that an interrupted one goes on
    again = kgpu_env("bundle", "-o", "two.tar", env=cache(bundled.parent))
    assert again.returncode == 0, again.stderr
    assert bundled.read_bytes() == (bundled.parent / "two.tar").read_bytes()
    taken = kgpu_env("bundle", "-o", "two.tar", env=cache(bundled.parent))
    assert (taken.returncode, "KGE-634" in taken.stderr) == (3, True)
    assert leftovers(bundled.parent) == []


def test_it_builds_without_a_network(
    kgpu_env: KgpuEnv, bundled: Path, engine: DockerEngine, tag: str, made_wheels: ModuleType
) -> None:
    alone = {"before": ALONE, "env": cache(bundled.parent)}
    lone = kgpu_env("build", "--bundle", bundled, "--tag", tag, "--sbom", "sbom.json", **alone)
    assert lone.returncode == 0, lone.stderr
    look = (
        "cat /opt/venv/requirements/*.txt; ls /dev/network /dev/context 2>&1; ls /opt/venv/lib/python3.11/site-packages"
    )
    seen = engine.run(Run(image=tag, command=("sh", "-c", look))).stdout
    for name in made_wheels.NAMES:
        assert f"{name}==1 --hash=sha256:" in seen
        assert f"{name.replace('-', '_')}-1.dist-info" in seen
    assert "No such file" in seen
    told = kgpu_env("inspect", tag, **alone)
    assert (told.returncode, "Drift     none" in told.stdout) == (0, True), told.stderr
    whole = kgpu_env("bundle", "--image", tag, "-o", "whole.tar", env=cache(bundled.parent))
    assert whole.returncode == 0, whole.stderr
    engine.remove(tag)
    # Nothing in it can be trained with: that the image was loaded and started is what is tried.
    proved = kgpu_env("verify", "--bundle", "whole.tar", **alone)
    assert proved.returncode == 7, proved.stderr
    assert "kgpu-env/bundle-image:" in proved.stderr + proved.stdout


def test_a_flipped_byte_is_named_and_nothing_is_left(kgpu_env: KgpuEnv, bundled: Path) -> None:
    content = bytearray(bundled.read_bytes())
    with tarfile.open(bundled) as tar:
        [member] = [one for one in tar if one.name.startswith("wheels/demo-")]
    content[member.offset_data + 99] ^= 1
    bundled.write_bytes(content)
    spare = bundled.parent / "spare"
    spare.mkdir()
    ended = kgpu_env("build", "--bundle", bundled, env=cache(bundled.parent) | {"TMPDIR": str(spare)})
    assert (ended.returncode, "KGE-221" in ended.stderr) == (3, True)
    assert f"{member.name} is damaged" in ended.stderr
    assert list(spare.iterdir()) == []


def test_an_index_with_another_file_is_refused(kgpu_env: KgpuEnv, locked_folder: Path) -> None:
    for path in (locked_folder / "index").iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    ended = kgpu_env("bundle", env=cache(locked_folder))
    assert (ended.returncode, "KGE-223" in ended.stderr) == (6, True), ended.stderr
    assert not (locked_folder / "kgpu-env-bundle.tar").exists()
    assert leftovers(locked_folder) == []


def test_a_debian_package_that_the_base_lacks_is_brought(  # noqa: PLR0913, PLR0917 - a build from an index to a container
    kgpu_env: KgpuEnv,
    locked_folder: Path,
    index: str,
    made_wheels: ModuleType,
    base: str,
    engine: DockerEngine,
    tag: str,
) -> None:
    made_wheels.write_lock(locked_folder, index, base, apt=("python3", "hello"))
    for name in ("one.tar", "two.tar"):
        ended = kgpu_env("bundle", "-o", name, env=cache(locked_folder))
        assert ended.returncode == 0, ended.stderr
        assert ("fetching the Debian packages hello" in ended.stderr) is (name == "one.tar")
    assert (locked_folder / "one.tar").read_bytes() == (locked_folder / "two.tar").read_bytes()
    [pinned] = read_lock(locked_folder / "kgpu.lock").debian
    assert (pinned.name, pinned.architecture) == ("hello", "amd64")
    with tarfile.open(locked_folder / "one.tar") as tar:
        brought = [one.name for one in tar if one.name.startswith("debian/")]
        assert brought == ["debian/hello_amd64.deb"]
        assert b'"hello"' in read(tar, "sbom.json")
        assert f"sha256:{hashlib.sha256(read(tar, *brought)).hexdigest()}" == pinned.hash
        assert read(tar, "kgpu.lock") == (locked_folder / "kgpu.lock").read_bytes()
    before = set(loaded(engine))
    try:
        lone = kgpu_env("build", "--bundle", "one.tar", "--tag", tag, before=ALONE, env=cache(locked_folder))
        assert lone.returncode == 0, lone.stderr
        seen = engine.run(Run(image=tag, command=("sh", "-c", "hello; ls /dev/debian")))
        assert (seen.stdout, "No such file" in seen.stderr) == ("Hello, world!\n", True)
    finally:
        for name in set(loaded(engine)) - before:
            engine.remove(name)


def read(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    assert file is not None
    return file.read()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"hash": f"sha256:{'0' * 64}"}, f"and {{version}} with sha256:{'0' * 64} was locked"),
        ({"version": "0.1-1"}, "Version '0.1-1' for 'hello' was not found"),
    ],
)
def test_a_debian_package_with_other_bytes_is_refused_by_name(  # noqa: PLR0913, PLR0917 - as above
    kgpu_env: KgpuEnv,
    locked_folder: Path,
    index: str,
    made_wheels: ModuleType,
    base: str,
    changed: dict[str, str],
    told: str,
) -> None:
    made_wheels.write_lock(locked_folder, index, base, apt=("python3", "hello"))
    assert kgpu_env("bundle", "-o", "one.tar", env=cache(locked_folder)).returncode == 0
    path = locked_folder / "kgpu.lock"
    [pinned] = read_lock(path).debian
    path.write_bytes(with_debian(path, [replace(pinned, **changed)]))
    shutil.rmtree(locked_folder / "cache" / "kgpu-env" / "debian")
    before = path.read_bytes()
    ended = kgpu_env("bundle", "-o", "two.tar", env=cache(locked_folder))
    assert (ended.returncode, "KGE-223" in ended.stderr) == (6, True), ended.stderr
    assert told.format(version=pinned.version) in " ".join(ended.stderr.split())
    assert (path.read_bytes(), leftovers(locked_folder)) == (before, [])
    assert not (locked_folder / "two.tar").exists()


def test_a_debian_package_that_there_is_not(
    kgpu_env: KgpuEnv, locked_folder: Path, made_wheels: ModuleType, base: str, engine: DockerEngine
) -> None:
    made_wheels.write_lock(locked_folder, "http://nowhere.invalid", base, apt=("no-such-package",))
    ended = kgpu_env("bundle", env=cache(locked_folder))
    assert (ended.returncode, "no-such-package" in ended.stderr) == (6, True), ended.stderr
    assert leftovers(locked_folder) == []
    assert not (locked_folder / "kgpu-env-bundle.tar").exists()
    names = [name for one in engine._api.images() for name in one["RepoTags"] or ()]  # noqa: SLF001 - as above
    assert [name for name in names if name.startswith("kgpu-env/debian:")] == []


def test_an_interrupted_one_leaves_nothing(
    kgpu_env: KgpuEnv, locked_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in cache(locked_folder).items():
        monkeypatch.setenv(name, value)
    with kgpu_env.start("bundle") as process:
        end = time.monotonic() + 60
        while time.monotonic() < end and not leftovers(locked_folder):
            time.sleep(0.01)
        assert leftovers(locked_folder)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, "KGE-900" in said) == (130, True), said
    assert leftovers(locked_folder) == []
    assert not (locked_folder / "kgpu-env-bundle.tar").exists()


def test_the_steps_of_the_build_have_no_network(engine: DockerEngine, base: str, tag: str) -> None:
    text = f"FROM {base}\nRUN ls /sys/class/net > /interfaces\n"
    engine.build(Context(files={"Dockerfile": text.encode()}, offline=True), tag, lambda _: None, {})
    assert engine.run(Run(image=tag, command=("cat", "/interfaces"))).stdout == "lo\n"


def test_a_lock_of_another_processor_is_refused(kgpu_env: KgpuEnv, locked_folder: Path) -> None:
    path = locked_folder / "kgpu.lock"
    path.write_text(path.read_text().replace('"platform": "x86_64', '"platform": "s390x'))
    head = Bundle(version="1", platform="s390x", tag="i:1", base="b", base_id=f"sha256:{'0' * 64}", parts=())
    parts = {name: (locked_folder / name).read_bytes() for name in ("kgpu.lock", "pylock.toml")}
    pack(locked_folder / "other.tar", head, parts)
    ended = kgpu_env("build", "--bundle", "other.tar")
    assert (ended.returncode, "KGE-930" in ended.stderr) == (6, True), ended.stderr


def test_the_layout_names_what_it_holds(bundled: Path) -> None:
    with tarfile.open(bundled) as tar:
        blobs = {one.name.rpartition("/")[2]: tar.extractfile(one) for one in tar if "/blobs/sha256/" in one.name}
        assert len(blobs) >= 3
        for number, file in blobs.items():
            assert file is not None
            assert hashlib.sha256(io.BytesIO(file.read()).getvalue()).hexdigest() == number
