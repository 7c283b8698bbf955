"""Captures of others: good ones are read, and no hostile one writes anywhere else or fills the disk."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest
from trees import build

from provision import api
from provision.errors import InputError
from provision.probe.collector import ENTRIES, capture

Member = tuple[str, bytes, bytes, str]  # name, type, content, target


def packed(path: Path, *members: Member) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, kind, content, target in members:
            one = tarfile.TarInfo(name)
            one.type, one.size, one.linkname = kind, len(content), target
            tar.addfile(one, io.BytesIO(content))
    return path


def test_a_capture_is_read(tmp_path: Path) -> None:
    tree = build(tmp_path / "host", "mi300x-cpx")
    (tmp_path / "node.tar.gz").write_bytes(capture(str(tree)))
    assert api.probe_capture(tmp_path / "node.tar.gz") == api.probe_host(tree)


FILE, LINK, HARD, NODE, PIPE = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE
PROC: Member = ("proc/version", FILE, b"x", "")


@pytest.mark.parametrize(
    "members",
    [
        (PROC, ("../out", FILE, b"x", "")),
        (PROC, ("/tmp/kgpu-out", FILE, b"x", "")),
        (PROC, ("proc/../../out", FILE, b"x", "")),
        (PROC, ("sys/a", LINK, b"", "/etc")),
        (PROC, ("sys/a", LINK, b"", "../../..")),
        (PROC, ("sys/a", LINK, b"", "..")),
        (PROC, ("sys/b/x", FILE, b"1", ""), ("sys/a", LINK, b"", "b"), ("sys/a/y", FILE, b"x", "")),
        (PROC, ("sys/a", LINK, b"", "b"), ("sys/a", FILE, b"x", "")),
        (PROC, ("proc/other", HARD, b"", "proc/version")),
        (PROC, ("dev/null", NODE, b"", "")),
        (PROC, ("dev/pipe", PIPE, b"", "")),
        (PROC, PROC),
        (PROC, ("proc/version/x", FILE, b"x", "")),
        (PROC, ("a" * 300, FILE, b"x", "")),
    ],
    ids=range(14),
)
def test_a_hostile_capture_is_refused(tmp_path: Path, members: tuple[Member, ...]) -> None:
    path = packed(tmp_path / "node.tar.gz", *members)
    with pytest.raises(InputError) as caught:
        api.probe_capture(path)
    assert caught.value.code == "KGE-940"
    assert [one.name for one in tmp_path.iterdir()] == ["node.tar.gz"]


def test_bombs_are_refused(tmp_path: Path) -> None:
    (large := tmp_path / "a.tar.gz").write_bytes(gzip.compress(bytes((64 << 20) + 1), 1))
    heads = b"".join(tarfile.TarInfo(f"proc/{n}").tobuf() for n in range(ENTRIES + 1))
    (many := tmp_path / "b.tar.gz").write_bytes(gzip.compress(heads + bytes(1024), 1))
    for path, words in ((large, "more than 64 MiB"), (many, "more than 20000 entries")):
        with pytest.raises(InputError) as caught:
            api.probe_capture(path)
        assert words in caught.value.cause


@pytest.mark.parametrize("data", [b"", b"x", b"\x1f\x8b", capture("/nowhere")[:-20], capture("/nowhere")[:40]])
def test_what_is_no_archive_is_told(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.tar.gz").write_bytes(data)
    with pytest.raises(InputError) as caught:
        api.probe_capture(tmp_path / "a.tar.gz")
    assert caught.value.code == "KGE-940"


def test_no_machine_and_no_file(tmp_path: Path) -> None:
    packed(tmp_path / "a.tar.gz", ("home/x", FILE, b"", ""))
    for name, code in (("a.tar.gz", "KGE-119"), ("none.tar.gz", "KGE-940"), (".", "KGE-940")):
        with pytest.raises(InputError) as caught:
            api.probe_capture(tmp_path / name)
        assert caught.value.code == code
