"""Folders of a run: gone with it, and with the next run where it was killed."""

import fcntl
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from provision.locks import locked, own_folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def left(place: Path, seconds: float) -> Path:
    """Return a folder as a killed run leaves it, so many seconds old."""
    (made := place / "run.left").mkdir(mode=0o700)
    (made / "secret").write_text("hunter2")
    then = made.stat().st_mtime - seconds
    os.utime(made, (then, then))
    return made


def test_it_is_for_its_owner_alone_and_gone_afterwards(place: Path) -> None:
    with suppress(KeyboardInterrupt), own_folder("run.") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_text("x")
        raise KeyboardInterrupt
    assert list(place.iterdir()) == []


def test_what_a_killed_run_left_goes_with_the_next(place: Path) -> None:
    left(place, 3600)
    (place / "other.folder").mkdir()
    with own_folder("run."):
        assert not (place / "run.left").exists()
    assert [one.name for one in place.iterdir()] == ["other.folder"]


def test_what_is_in_use_or_just_made_stays(place: Path) -> None:
    made = left(place, 3600)
    with locked(made, fcntl.LOCK_EX) as is_ours, own_folder("run."):
        assert is_ours
        assert (made / "secret").exists()
    os.utime(made)
    with own_folder("run."):
        assert (made / "secret").exists()


def test_a_link_is_not_followed(place: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "file").write_text("x")
    os.utime(other, (0, 0))
    (place / "run.link").symlink_to(other)
    os.utime(place / "run.link", (0, 0), follow_symlinks=False)
    with own_folder("run."):
        assert (other / "file").exists()
