"""Files that people name: what is no plain file, or too large, is refused before it is read."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from provision.api import read_host
from provision.catalogue import load
from provision.catalogue.yaml_file import read_yaml
from provision.config import read_project
from provision.engine.certificates import certificates
from provision.engine.index_settings import IndexSettings
from provision.engine.logins import Login, stored_login
from provision.engine.pip_config import settings
from provision.errors import InputError
from provision.files import LIMIT, read_file, writable_by_all
from provision.lock import read_lock
from provision.records import Refused
from provision.records.keys import read_private, read_public
from provision.records.store import _read


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def bound(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
    return path


def huge(path: Path) -> Path:
    with path.open("wb") as file:
        file.truncate(10**12)  # no byte of it is on the disk
    return path


STRANGE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "pipe": (fifo, "it is a pipe, not a file"),
    "folder": (folder, "it is a folder, not a file"),
    "device": (lambda _: Path("/dev/zero"), "it is a device, not a file"),
    "huge": (huge, "it is larger than"),
    "absent": (lambda path: path, "No such file or directory"),
}
READERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "host file": (read_host, "KGE-606"),
    "key": (read_private, "KGE-591"),
    "trusted key": (read_public, "KGE-591"),
    "lock": (read_lock, "KGE-620"),
    "project file": (read_project, "KGE-603"),
    "catalogue": (read_yaml, "KGE-201"),
    "CA bundle": (certificates, "KGE-601"),
}


@pytest.mark.parametrize("kind", STRANGE)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, reader: str, kind: str) -> None:
    make, told = STRANGE[kind]
    read, code = READERS[reader]
    with pytest.raises(InputError) as caught:
        read(make(tmp_path / "named"))
    assert caught.value.code == code
    assert told in caught.value.cause


@pytest.mark.parametrize("kind", [one for one in STRANGE if one != "absent"])
def test_a_record_that_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    make, told = STRANGE[kind]
    found = _read(make(tmp_path / "record.json"))
    assert isinstance(found, Refused)
    assert told in found.why


def test_what_is_read_by_the_way_is_passed_over(tmp_path: Path) -> None:
    fifo(tmp_path / "config.json")
    fifo(tmp_path / "pip.conf")
    assert stored_login("registry.example", tmp_path) == Login({})
    assert settings({"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}, tmp_path) == IndexSettings()
    (tmp_path / "config.json").unlink()
    (tmp_path / "config.json").write_text("[" * 200_000)
    assert stored_login("registry.example", tmp_path) == Login({})


def test_a_sites_table_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    fifo(tmp_path / "nvidia.yaml")
    with pytest.raises(InputError, match="cannot read") as caught:
        load(overlay=tmp_path)
    assert caught.value.code == "KGE-201"


def test_a_socket_and_an_impossible_name(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such device or address"):
        read_file(bound(tmp_path / "socket"))
    with pytest.raises(OSError, match="no file has such a name"):
        read_file(Path("a\0b"))


def test_a_file_of_the_largest_size_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(LIMIT)
    assert len(read_file(path)) == LIMIT
    with path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(OSError, match="larger than 16 MiB"):
        read_file(path)


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"text")
    (tmp_path / "link").symlink_to("file")
    assert read_file(tmp_path / "link") == b"text"


@pytest.mark.parametrize(("mode", "told"), [(0o755, False), (0o775, False), (0o777, True), (0o1777, True)])
def test_whose_folder_it_is(tmp_path: Path, mode: int, told: bool) -> None:  # noqa: FBT001 - a parameter
    tmp_path.chmod(mode)
    assert writable_by_all(tmp_path) == told
    assert not writable_by_all(tmp_path / "absent")
