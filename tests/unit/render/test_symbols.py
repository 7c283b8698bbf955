"""The program of a Dockerfile that takes symbol tables out of libraries, tried on libraries that are here."""

import ctypes
import importlib.util
import runpy
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[3] / "templates" / "dockerfile" / "symbols.py"
SYMBOLS, EMPTY, NO_BITS = 2, 0, 8
Strip = Callable[..., None]


@pytest.fixture
def strip(monkeypatch: pytest.MonkeyPatch) -> Strip:
    def run(*paths: Path) -> None:
        monkeypatch.setattr("sys.argv", ["symbols.py", *map(str, paths)])
        runpy.run_path(str(PROGRAM))

    return run


def sections(path: Path) -> list[tuple[int, bytes]]:
    """The kind and the content of each section, in order."""
    content = path.read_bytes()
    at, size, count = struct.unpack_from("<Q10xHH", content, 40)
    rows = [struct.unpack_from("<2I4Q2I2Q", content, at + number * size) for number in range(count)]
    return [(row[1], b"" if row[1] == NO_BITS else content[row[4] : row[4] + row[5]]) for row in rows]


def library(name: str) -> Path:
    """The file of a compiled module."""
    found = importlib.util.find_spec(name)
    assert found
    assert found.origin
    return Path(found.origin)


@pytest.mark.parametrize("name", ["msgspec._core", "yaml._yaml"])  # the second has sections for debuggers, too
def test_symbol_tables_go_and_the_rest_stays(strip: Strip, name: str, tmp_path: Path) -> None:
    copy = Path(shutil.copy(library(name), tmp_path))
    before, size = sections(copy), copy.stat().st_size
    strip(copy)
    after = sections(copy)
    assert (SYMBOLS in dict(before), SYMBOLS in dict(after)) == (True, False)
    changed = [number for number, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]]
    assert [after[number] for number in changed] == [(EMPTY, b"")] * 2
    lost = sum(len(before[number][1]) for number in changed)
    assert size - copy.stat().st_size == pytest.approx(lost, abs=64)  # the rest is aligned anew
    ctypes.CDLL(str(copy))
    content = copy.read_bytes()
    strip(copy)
    assert copy.read_bytes() == content


def test_what_it_cannot_do_without_harm_stays(strip: Strip, tmp_path: Path) -> None:
    among = Path(shutil.copy(library("msgspec._core"), tmp_path / "among.so"))
    with among.open("r+b") as file:  # its first segment, all of it: the tables lie among what is loaded
        file.seek(struct.unpack("<32xQ", file.read(40))[0] + 32)
        file.write(struct.pack("<Q", among.stat().st_size))
    others = {"text.so": b"text", "empty.so": b"", "small.so": b"\x7fELF\x01\x01" + b"\0" * 99}
    for name, content in others.items():
        (tmp_path / name).write_bytes(content)
    before = among.read_bytes()
    strip(among, *(tmp_path / name for name in others), tmp_path / "none*.so", tmp_path)
    assert among.read_bytes() == before
    assert {name: (tmp_path / name).read_bytes() for name in others} == others
