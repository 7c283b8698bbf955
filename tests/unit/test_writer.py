"""Nothing of anybody is lost: what others wrote is kept, and several files are written together or not at all."""

import os
from pathlib import Path

import pytest

from provision import writer
from provision.errors import InputError


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    return writer.memory_of(tmp_path / "state")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def code(memory: Path, files: dict[Path, bytes], *, force: bool = False) -> str:
    try:
        writer.write_files(files, memory, force=force)
    except InputError as error:
        return error.code
    return ""


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_anothers_file_is_kept_with_the_difference(memory: Path, place: Path) -> None:
    file = place / "compose.yaml"
    file.write_text("services: {mine: {}}\n")
    with pytest.raises(InputError) as caught:
        writer.write_files({file: b"services: {keras: {}}\n"}, memory)
    assert (caught.value.code, int(caught.value.exit_code)) == ("KGE-634", 3)
    assert "--force" in caught.value.fix
    assert caught.value.log[-2:] == ("-services: {mine: {}}", "+services: {keras: {}}")
    assert file.read_text() == "services: {mine: {}}\n"
    assert not code(memory, {file: b"new"}, force=True)
    assert file.read_bytes() == b"new"


def test_what_this_program_wrote_is_renewed_until_somebody_changes_it(memory: Path, place: Path) -> None:
    file = place / "Dockerfile"
    assert not code(memory, {file: b"one"})
    assert not code(memory, {file: b"two"})
    file.write_bytes(b"two, and mine")
    assert code(memory, {file: b"three"}) == "KGE-634"
    assert not code(memory, {file: b"two, and mine"})  # the same content loses nothing


def test_a_copy_and_an_empty_file_are_no_loss(memory: Path, place: Path) -> None:
    assert not code(memory, {place / "a": b"one"})
    (place / "a").rename(place / "moved")
    (place / "empty").touch()
    assert not code(memory, {place / "moved": b"two", place / "empty": b"two"})


def test_one_file_of_another_stops_them_all(memory: Path, place: Path) -> None:
    (place / "b").write_text("theirs")
    assert code(memory, {place / "new/a": b"1", place / "b": b"2"}) == "KGE-634"
    assert tree(place) == {"b": b"theirs"}
    assert not (place / "new").exists()


def test_a_failure_in_the_middle_gives_back_what_was_there(
    memory: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not code(memory, {place / "a": b"old a", place / "b": b"old b"})
    real = Path.replace

    def failing(self: Path, target: Path) -> Path:
        if target.name == "b":
            raise OSError(28, "No space left on device")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    assert code(memory, {place / "new/c": b"c", place / "a": b"new a", place / "b": b"new b"}) == "KGE-605"
    assert tree(place) == {"a": b"old a", "b": b"old b"}
    assert not (place / "new").exists()


def test_a_folder_in_the_way_leaves_nothing(memory: Path, place: Path) -> None:
    (place / "b").mkdir()
    assert code(memory, {place / "a": b"1", place / "b": b"2"}) == "KGE-605"
    assert tree(place) == {}


def test_the_difference_is_bounded_and_holds_no_password(place: Path) -> None:
    old = b"\n".join(b"index-url = https://me:secret@host/%d" % number for number in range(200))
    shown = writer.difference(place / "pip.conf", old, b"other")
    assert len(shown) <= writer.SHOWN + 1
    assert "more lines" in shown[-1]
    assert "secret" not in "".join(shown)
    assert "bytes are there" in writer.difference(place / "x", b"\0", b"new")[0]


def test_before_long_work_no_content_is_needed(memory: Path, place: Path) -> None:
    file = place / "proof.json"
    file.write_text("theirs")
    with pytest.raises(InputError, match="is kept"):
        writer.refuse_others({file: None}, memory)
    file.unlink()
    assert not code(memory, {file: b"{}"})
    writer.refuse_others({file: None}, memory)


def test_a_memory_that_cannot_be_kept_only_asks_once_more(place: Path) -> None:
    nowhere = Path("/dev/null/written")
    assert not code(nowhere, {place / "a": b"1"})
    assert code(nowhere, {place / "a": b"2"}) == "KGE-634"


def test_the_memory_stays_small(memory: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_REMEMBERED", 330)
    for number in range(30):
        assert not code(memory, {place / "a": b"%d" % number})
    assert memory.stat().st_size <= 330


def test_stdout_in_a_file_is_appended_to(memory: Path, place: Path) -> None:
    with (place / "out").open("wb") as file:
        file.write(b"before ")
        file.flush()
        assert not code(memory, {Path(f"/proc/self/fd/{file.fileno()}"): b"after"})
        assert os.fstat(file.fileno()).st_ino == (place / "out").stat().st_ino
    assert (place / "out").read_bytes() == b"before after"
