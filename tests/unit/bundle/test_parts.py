"""What goes into a bundle: wheels by hash, images as layouts, and what cannot."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from provision.bundle import Bundle, Part, fetch, ids_of, image_archive, lacking, refuse_fetched, to_layout
from provision.bundle.debian import check_listed, check_same, kept_debian
from provision.errors import BuildError, EngineError, InputError
from provision.lock import DebianFile, Lock, Wheel, WheelFile, read_lock
from provision.model.inventory import DebianPackage

REFERENCE = read_lock(Path(__file__).parents[3] / "images" / "locks" / "cuda.lock")
CONTENT = b"wheel" * 1000
HASH = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
FILE = WheelFile(file="a-1-py3-none-any.whl", hash=HASH, size_bytes=len(CONTENT), url="https://u:secret@host/a.whl")
WHEEL = Wheel(name="a", version="1", files=(FILE,))


class Index:
    """Gives its answers in turn: pieces, or an error."""

    def __init__(self, *answers: list[bytes] | OSError) -> None:
        self.answers, self.asked = list(answers), 0

    def __call__(self, url: str) -> Iterator[bytes]:
        self.asked += 1
        assert url == FILE.url
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        yield from answer


def got(index: Index, cache: Path, wheel: Wheel = WHEEL) -> dict[str, Path]:
    return fetch(wheel, cache, index, lambda _: None, lambda _: None)


def test_a_wheel_is_fetched_once(tmp_path: Path) -> None:
    index = Index([CONTENT[:7], CONTENT[7:]])
    assert got(index, tmp_path) == got(index, tmp_path)
    assert index.asked == 1
    [path] = tmp_path.iterdir()
    path.write_bytes(b"damaged")
    assert got(Index([CONTENT]), tmp_path)[FILE.file].read_bytes() == CONTENT


def test_what_breaks_off_is_asked_again(tmp_path: Path) -> None:
    index = Index(OSError("reset"), OSError("HTTP 500"), [CONTENT])
    assert got(index, tmp_path)
    with pytest.raises(BuildError, match=r"a-1-py3"):
        got(Index(*[OSError("reset by https://u:secret@host")] * 3), tmp_path / "other")


@pytest.mark.parametrize("pieces", [[CONTENT[:-1]], [CONTENT, b"more"], [b"x" * len(CONTENT)], []])
def test_other_bytes_are_refused_and_not_kept(tmp_path: Path, pieces: list[bytes]) -> None:
    with pytest.raises(BuildError) as caught:
        got(Index(pieces), tmp_path)
    assert caught.value.code == "KGE-223"
    assert list(tmp_path.iterdir()) == []


def test_no_password_is_told_and_an_address_is_needed(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        got(Index(*[OSError("no way to https://u:secret@host/a")] * 3), tmp_path)
    assert "secret" not in f"{caught.value} {caught.value.cause}"
    with pytest.raises(BuildError, match="as it was locked"):
        got(Index(), tmp_path, replace(WHEEL, files=(replace(FILE, url=None),)))


def lock(**changes: Any) -> Lock:  # noqa: ANN401 - passed through
    return replace(REFERENCE, **changes)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (lock(wheels=(replace(WHEEL, origin="git+https://host/x@0123", files=()),)), "git+https://host/x"),
        (lock(wheels=(replace(WHEEL, files=(replace(FILE, file="a-1.tar.gz"),)),)), "no wheel of a 1"),
        (lock(request=replace(REFERENCE.request, requirements=("pyproject.toml",))), "pyproject.toml"),
        (lock(stack=replace(REFERENCE.stack, framework_in_base=True)), "brings its framework"),
    ],
)
def test_what_would_be_fetched_is_refused(changed: Lock, told: str) -> None:
    refuse_fetched(REFERENCE)
    with pytest.raises(InputError) as caught:
        refuse_fetched(changed)
    assert caught.value.code == "KGE-222"
    assert told in caught.value.cause


def test_debian_packages_that_a_base_lacks() -> None:
    there = [
        DebianPackage(name=name, version="1", architecture="all") for name in ("python3", "ca-certificates", "git")
    ]
    wanted = lock(
        stack=replace(REFERENCE.stack, python_in_base=False), request=replace(REFERENCE.request, apt=("git=1",))
    )
    assert lacking(wanted, "debian:12", there) == ()
    assert lacking(wanted, "debian:12", there[1:]) == ("python3",)
    assert lacking(wanted, "debian:12", there[:-1]) == ("git=1",)
    assert lacking(wanted, "debian:12", [*there[:-1], replace(there[-1], version="2")]) == ("git=1",)
    assert lacking(replace(wanted, stack=replace(wanted.stack, python_in_base=True)), "x", there[2:]) == ()
    with pytest.raises(InputError) as caught:
        lacking(wanted, "rocky:9", [])
    assert (caught.value.code, "rocky:9 has no dpkg" in caught.value.cause) == ("KGE-222", True)


def debian(name: str = "hello", version: str = "1:2.10-3", number: str = "1") -> DebianFile:
    return DebianFile(name=name, version=version, architecture="amd64", hash=f"sha256:{number * 64}")


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ([debian(number="2")], "apt gives 1:2.10-3 with sha256:2222"),
        ([debian(version="1:2.12-1")], "apt gives 1:2.12-1 with sha256:1111"),
        ([], "the base has it already"),
        ([debian(), debian("libhello")], "it is needed by now"),
    ],
)
def test_debian_packages_are_those_that_were_locked(found: list[DebianFile], told: str) -> None:
    check_same([debian()], {debian(): Path("x.deb")})
    with pytest.raises(BuildError) as caught:
        check_same([debian()], {one: Path("x.deb") for one in found})
    assert (caught.value.code, told in caught.value.cause) == ("KGE-223", True)
    assert "hello 1:2.10-3 cannot be fetched as it was locked" in caught.value.text


def test_debian_packages_of_the_cache_are_looked_at(tmp_path: Path) -> None:
    number = f"sha256:{hashlib.sha256(b'deb').hexdigest()}"
    one = replace(debian(), hash=number)
    assert kept_debian([one], tmp_path) is None
    place = tmp_path / f"{number[7:]}.deb"
    place.write_bytes(b"deb")
    assert kept_debian([one], tmp_path) == {one: place}
    place.write_bytes(b"bad")
    assert kept_debian([one], tmp_path) is None


@pytest.mark.parametrize(
    ("there", "locked", "wrong"),
    [
        ({"debian/hello_amd64.deb": "2"}, [debian()], "debian/hello_amd64.deb"),
        ({"debian/hello_amd64.deb": "1"}, [], "debian/hello_amd64.deb"),
        ({"debian/hello_amd64.deb": "1"}, [debian(), debian("libhello")], "debian/libhello_amd64.deb"),
    ],
)
def test_a_bundle_has_the_debian_packages_of_its_lock(
    there: dict[str, str], locked: list[DebianFile], wrong: str
) -> None:
    parts = tuple(Part(path=path, bytes=1, sha256=number * 64) for path, number in there.items())
    head = Bundle(version="1", platform="x", tag="x", base="x", base_id=f"sha256:{'0' * 64}", parts=parts)
    with pytest.raises(InputError) as caught:
        check_listed(Path("one.tar"), head, locked)
    assert (caught.value.code, caught.value.cause) == ("KGE-221", f"{wrong} is not the file that its lock names")


def test_a_bundle_whose_base_has_all_brings_none() -> None:
    head = Bundle(version="1", platform="x", tag="x", base="x", base_id=f"sha256:{'0' * 64}", parts=())
    check_listed(Path("one.tar"), head, [debian()])


def saved(path: Path, *, packed: bool = False, wrong: bool = False) -> str:
    """What `docker save` writes, and the image's id."""
    layer = b"layer" * 100
    number = hashlib.sha256(b"x" if wrong else layer).hexdigest()
    config = json.dumps({"rootfs": {"diff_ids": [f"sha256:{number}"]}}).encode()
    files = {
        "c.json": config,
        "1/layer.tar": gzip.compress(layer, mtime=7) if packed else layer,
        "manifest.json": json.dumps([{"Config": "c.json", "RepoTags": ["i:1"], "Layers": ["1/layer.tar"]}]).encode(),
    }
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return f"sha256:{hashlib.sha256(config).hexdigest()}"


def test_a_layout_is_the_same_however_it_was_saved(tmp_path: Path) -> None:
    number = saved(tmp_path / "a.tar")
    assert number == saved(tmp_path / "b.tar", packed=True)
    one, two = (to_layout(tmp_path / f"{name}.tar", tmp_path / name) for name in "ab")
    assert one.image_id == two.image_id == number
    assert contents(one.files) == contents(two.files)
    assert {"index.json", "oci-layout"} < set(one.files)
    with (tmp_path / "back.tar").open("w+b") as file:
        image_archive(tmp_path / "a", number, "kgpu-env/bundle-base:1", file)
    with tarfile.open(tmp_path / "back.tar") as tar:
        told = tar.extractfile("manifest.json")
        assert told is not None
        assert [row["RepoTags"] for row in json.load(told)] == [["kgpu-env/bundle-base:1"]]
        # With containerd's image store an engine reads it as a layout: it calls the image by the layout's manifest.
        told = tar.extractfile("index.json")
        assert told is not None
        [row] = json.load(told)["manifests"]
        assert (row["digest"], f"blobs/sha256/{one.manifest[7:]}" in tar.getnames()) == (one.manifest, True)
        assert row["annotations"] == {"io.containerd.image.name": "docker.io/kgpu-env/bundle-base:1"}
        assert ids_of(tmp_path / "a", number) == (number, one.manifest)


def contents(files: dict[str, Path]) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in files.items()}


def test_a_layer_that_is_another_is_refused(tmp_path: Path) -> None:
    saved(tmp_path / "a.tar", wrong=True)
    with pytest.raises(EngineError) as caught:
        to_layout(tmp_path / "a.tar", tmp_path / "a")
    assert caught.value.code == "KGE-305"


@pytest.mark.parametrize(
    "index", ["[]", '{"manifests": [{"digest": "sha256:../../../etc/passwd"}]}', '{"manifests": []}']
)
def test_a_layout_of_something_else_is_refused(tmp_path: Path, index: str) -> None:
    number = saved(tmp_path / "a.tar")
    to_layout(tmp_path / "a.tar", tmp_path / "a")
    with pytest.raises(InputError) as caught:
        image_archive(tmp_path / "a", f"sha256:{'0' * 64}", "n:1", io.BytesIO())
    assert number in caught.value.cause
    (tmp_path / "a" / "index.json").write_text(index)
    with pytest.raises(InputError) as caught:
        image_archive(tmp_path / "a", number, "n:1", io.BytesIO())
    assert caught.value.code == "KGE-221"
