"""The archive of a bundle: the same bytes, and nothing of a hostile one is believed or left."""

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import msgspec
import pytest

from provision.bundle import Bundle, pack, read_head, refuse_existing, unpack
from provision.errors import InputError

ONE = f"sha256:{'1' * 64}"
HEAD = Bundle(version="1", platform="x86_64-manylinux_2_36", tag="i:1", base="debian:12", base_id=ONE, parts=())
PARTS: dict[str, bytes | Path] = {"kgpu.lock": b"{}", "wheels/a-1-py3-none-any.whl": b"wheel", "tools/uv": b"uv"}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    pack(tmp_path / "b.tar", HEAD, PARTS)
    return tmp_path / "b.tar"


def refused(path: Path, folder: Path) -> str:
    folder.mkdir()
    with pytest.raises(InputError) as caught:
        unpack(path, folder)
    assert caught.value.code == "KGE-221"
    return caught.value.cause


def made(path: Path, *members: tuple[tarfile.TarInfo, bytes], parts: dict[str, bytes] | None = None) -> Path:
    """A tar with a head that lists `parts`, and members that need not be those."""
    listed = [
        {"path": name, "bytes": len(one), "sha256": hashlib.sha256(one).hexdigest()}
        for name, one in (parts or {}).items()
    ]
    head = json.dumps(msgspec.to_builtins(HEAD) | {"parts": listed}).encode()
    with tarfile.open(path, "w") as tar:
        for member, content in ((tarfile.TarInfo("bundle.json"), head), *members):
            member.size = len(content) if member.type == tarfile.REGTYPE else 0
            tar.addfile(member, io.BytesIO(content))
    return path


def test_the_same_parts_are_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "wheel").write_bytes(b"wheel")
    os.utime(tmp_path / "wheel", (5, 5))
    pack(tmp_path / "c.tar", HEAD, dict(reversed(PARTS.items())) | {"wheels/a-1-py3-none-any.whl": tmp_path / "wheel"})
    assert bundle.read_bytes() == (tmp_path / "c.tar").read_bytes()
    assert next(part.path for part in read_head(bundle).parts) == "kgpu.lock"


def test_what_was_packed_is_unpacked(bundle: Path, tmp_path: Path) -> None:
    unpack(bundle, tmp_path / "all")
    found = {str(path.relative_to(tmp_path / "all")) for path in (tmp_path / "all").rglob("*") if path.is_file()}
    assert found == set(PARTS)
    unpack(bundle, tmp_path / "some", only=("kgpu.lock",))
    assert [path.name for path in (tmp_path / "some").iterdir()] == ["kgpu.lock"]


def test_a_file_that_is_there_is_kept(bundle: Path) -> None:
    before = bundle.read_bytes()
    for write in (lambda: pack(bundle, HEAD, {}), lambda: refuse_existing(bundle, force=False)):
        with pytest.raises(InputError) as caught:
            write()
        assert caught.value.code == "KGE-634"
    assert bundle.read_bytes() == before
    pack(bundle, HEAD, {}, force=True)
    assert bundle.read_bytes() != before


def test_a_failed_writing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        pack(tmp_path / "b.tar", HEAD, {"a": tmp_path / "missing"})
    assert caught.value.code == "KGE-605"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part", list(PARTS))
def test_a_flipped_byte_is_named(bundle: Path, tmp_path: Path, part: str) -> None:
    content = bytearray(bundle.read_bytes())
    with tarfile.open(bundle) as tar:
        content[tar.getmember(part).offset_data] ^= 1
    bundle.write_bytes(content)
    assert refused(bundle, tmp_path / "x").startswith(f"{part} is damaged")


def test_every_cut_is_refused(bundle: Path, tmp_path: Path) -> None:
    content = bundle.read_bytes()
    with tarfile.open(bundle) as tar:
        last = tar.getmembers()[-1]
    for number, end in enumerate(range(0, last.offset_data + last.size, 128)):
        short = tmp_path / f"short{number}"
        short.write_bytes(content[:end])
        assert refused(short, tmp_path / f"x{number}")


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    path = made(tmp_path / "b.tar", parts={"tools/uv": b"uv"})
    assert refused(path, tmp_path / "x") == "tools/uv is missing"


def test_what_is_not_listed_or_there_twice_is_refused(tmp_path: Path) -> None:
    extra = made(tmp_path / "a.tar", (tarfile.TarInfo("more"), b"x"), parts={"a": b"a"})
    assert "'more' is in it and not in its list" in refused(extra, tmp_path / "x")
    twice = made(tmp_path / "b.tar", *[(tarfile.TarInfo("a"), b"a")] * 2, parts={"a": b"a"})
    assert "'a' is in it twice" in refused(twice, tmp_path / "y")


@pytest.mark.parametrize(
    "name", ["../up", "/etc/passwd", "a/../../up", ".hidden", "a//b", "a\nb", "a" * 300, "a/./b", ""]
)
def test_a_path_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    path = made(tmp_path / "b.tar", (tarfile.TarInfo(name), b"x"), parts={name: b"x"})
    assert refused(path, tmp_path / "x")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["b.tar", "x"]
    assert list((tmp_path / "x").iterdir()) == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("a")
    member.type, member.linkname = kind, "/etc/passwd"
    path = made(tmp_path / "b.tar", (member, b""), parts={"a": b""})
    assert refused(path, tmp_path / "x") == "'a' is no plain file"


def test_a_list_of_more_than_there_is_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "b.tar", parts={"a": b"x" * 50_000})
    assert "more bytes than it has" in refused(path, tmp_path / "x")


def test_a_sparse_member_is_refused(tmp_path: Path) -> None:
    member = tarfile.TarInfo("a")
    member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 40)}
    path = made(tmp_path / "b.tar", (member, b"1\n0\n512\n".ljust(512, b"\0")), parts={"a": b"a"})
    assert refused(path, tmp_path / "x")
    assert list((tmp_path / "x").iterdir()) == []


def test_a_blob_is_listed_under_its_own_hash(tmp_path: Path) -> None:
    name = f"base/blobs/sha256/{'0' * 64}"
    path = made(tmp_path / "b.tar", (tarfile.TarInfo(name), b"x"), parts={name: b"x"})
    assert "another hash than its name" in refused(path, tmp_path / "x")


@pytest.mark.parametrize("content", [b"", b"x" * 5000, b"\x1f\x8b" + b"0" * 600, b"PK\x03\x04"])
def test_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b.tar").write_bytes(content)
    assert refused(tmp_path / "b.tar", tmp_path / "x")


def test_what_is_not_there_or_no_file(tmp_path: Path) -> None:
    assert refused(tmp_path / "none", tmp_path / "x")
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe", tmp_path / "y")
    assert refused(tmp_path, tmp_path / "z")
