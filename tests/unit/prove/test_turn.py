"""One verification at a time on a GPU: who comes second waits, and is told for whom."""

import os
import re
import threading
from pathlib import Path

import pytest

from provision.errors import EngineError, Exit
from provision.prove import turn as module
from provision.prove.turn import turn

GPU, OTHER = "0000:17:00.0", "0000:65:00.0"


@pytest.fixture
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("devices", "locks"):
        (tmp_path / name).mkdir()
    for name in (GPU, OTHER):
        (tmp_path / "devices" / name).mkdir()
    monkeypatch.setattr(module, "DEVICES", tmp_path / "devices")
    monkeypatch.setattr(module, "LOCKS", tmp_path / "locks")
    monkeypatch.setattr(module, "_STEP_SECONDS", 0.01)
    return tmp_path / "locks"


def test_the_second_on_a_gpu_is_told_of_the_first(locks: Path) -> None:
    told: list[str] = []
    with turn([GPU, OTHER], print), pytest.raises(EngineError) as caught, turn([OTHER], told.append, patience=0.01):
        pass
    assert (caught.value.code, caught.value.exit_code) == ("KGE-920", Exit.ENGINE)
    assert OTHER in caught.value.text
    assert re.fullmatch(rf"it is process {os.getpid()}, since \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ", caught.value.cause)
    assert told == [
        f"waiting for the end of another verification on GPU {OTHER} ({caught.value.cause.removeprefix('it is ')})"
    ]
    assert list(locks.iterdir()) == []  # nothing stays, also not of who was refused
    with turn([GPU, OTHER], told.append, patience=0):
        pass


def test_the_second_begins_when_the_first_ends(locks: Path) -> None:  # noqa: ARG001 - the places
    first, order = turn([GPU], print), list[str]()

    def second() -> None:
        with turn([GPU], order.append, patience=20):
            order.append("second")

    with first:
        thread = threading.Thread(target=second)
        thread.start()
        while not order:
            assert thread.is_alive()
        order.append("first")
    thread.join(20)
    assert order[1:] == ["first", "second"]


def test_on_another_gpu_nobody_waits(locks: Path) -> None:
    with turn([GPU], print), turn([OTHER], print, patience=0), turn(["0000:99:00.0"], print, patience=0):
        assert {one.name for one in locks.iterdir()} == {f"kgpu-env.{GPU}.lock", f"kgpu-env.{OTHER}.lock"}


def test_what_a_killed_verification_left_holds_nobody(locks: Path) -> None:
    (locks / f"kgpu-env.{GPU}.lock").write_text("1 2026-11-30T01:00:00Z")
    with turn([GPU], print, patience=0):
        assert (locks / f"kgpu-env.{GPU}.lock").stat().st_mode & 0o666
    assert list(locks.iterdir()) == []


def test_words_of_others_in_the_file_are_not_told(locks: Path) -> None:
    with turn([GPU], print):
        (locks / f"kgpu-env.{GPU}.lock").write_text("\x1b[31m rm -rf /")
        with pytest.raises(EngineError) as caught, turn([GPU], print, patience=0):
            pass
    assert caught.value.cause == "it is a process that does not say which"


def test_without_a_place_for_locks_it_goes_on(locks: Path) -> None:
    locks.rmdir()
    with turn([GPU], print, patience=0):
        pass
    locks.symlink_to("/proc/self")  # it is there, and takes no file, even of root
    with turn([GPU], print, patience=0):
        pass
