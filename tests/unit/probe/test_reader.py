"""How paths of a captured tree are resolved."""

import os
from pathlib import Path

import pytest

from provision.probe.reader import Reader


def test_a_path_is_resolved_in_steps_that_are_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """512 partitions are 3000 files: each costs one question about a link, not one for each folder above it."""
    folder = tmp_path / "sys" / "real" / "deep"
    folder.mkdir(parents=True)
    (tmp_path / "sys" / "link").symlink_to("/sys/real")
    for number in range(100):
        (folder / str(number)).write_text(f"{number}")
    asked: list[str] = []
    readlink = os.readlink

    def counted(path: str) -> str:
        asked.append(path)
        return readlink(path)

    reader = Reader(tmp_path)
    monkeypatch.setattr("os.readlink", counted)
    assert [reader.text(f"/sys/link/deep/{number}") for number in range(100)] == [f"{one}" for one in range(100)]
    assert len(asked) < 110


def test_links_are_followed_below_the_root_at_each_place(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_text("inside")
    (tmp_path / "up").symlink_to("../../../../a/file")
    (tmp_path / "folder").symlink_to("/a/")
    (tmp_path / "loop").symlink_to("loop")
    reader = Reader(tmp_path)
    for path in ("/up", "/folder/file", "/folder/../a/./file", "//a//file", "/folder/../../a/file"):
        assert reader.text(path) == "inside", path
    assert reader.text("/loop") is None
    assert [one.code for one in reader.findings] == ["KGE-104"]


def test_a_path_of_any_length_is_an_answer(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    assert reader.text("/a" * 2000) is None
    assert reader.text("/a" * 500_000) is None
    assert ["File name too long" in one.text for one in reader.findings] == [True]
