"""Folders of nodes, good and bad."""

import os
import shutil
from pathlib import Path

import pytest
from trees import build

from provision.api.hosts import capture, probe_host
from provision.catalogue import load
from provision.errors import InputError
from provision.fleet.hosts import read_fleet

DATA = Path(__file__).parents[2] / "data" / "hosts"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "hosts"
    place.mkdir()
    shutil.copy(DATA / "h100-580.json", place / "node1.json")
    shutil.copy(DATA / "mi210.json", place / "node2.json")
    return place


def test_nodes_have_the_names_of_their_files(folder: Path) -> None:
    assert sorted(read_fleet(folder, load()).hosts) == ["node1", "node2"]


def test_a_captured_tree_is_a_node(folder: Path) -> None:
    (folder / "node3" / "proc").mkdir(parents=True)
    (folder / "node3" / "sys" / "bus" / "pci" / "devices").mkdir(parents=True)
    assert "node3" in read_fleet(folder, load()).hosts


def test_the_newer_of_two_entries_counts(folder: Path) -> None:
    (folder / "node1" / "sys" / "bus" / "pci" / "devices").mkdir(parents=True)
    os.utime(folder / "node1", (1, 1))
    found = read_fleet(folder, load())
    assert found.hosts["node1"].gpus
    assert "node1.json is the newer one" in found.warnings[0]
    os.utime(folder / "node1.json", (0, 0))
    assert not read_fleet(folder, load()).hosts["node1"].gpus


def test_links_that_lead_nowhere_are_a_node_that_is_told_of(folder: Path) -> None:
    for name in ("node1.tar.gz", "node8.json", "node8.tar.gz", "node9"):
        (folder / name).symlink_to("/nowhere")
    found = read_fleet(folder, load())
    assert [(node.name, node.rule) for node in found.broken] == [("node8", "KGE-606")]
    assert sorted(found.hosts) == ["node1", "node2"]
    assert any("'node9' is neither" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("text", "code"),
    [("{", "KGE-607"), ('{"schema": "kgpu-env/host/9"}', "KGE-607"), ("[" * 200_000, "KGE-607"), ("", "KGE-607")],
)
def test_a_broken_file_is_a_node_that_is_told_of(folder: Path, text: str, code: str) -> None:
    (folder / "node9.json").write_text(text)
    found = read_fleet(folder, load())
    assert [(node.name, node.rule) for node in found.broken] == [("node9", code)]
    assert sorted(found.hosts) == ["node1", "node2"]


@pytest.mark.parametrize("name", ["a b", "$(id)", "a\nb", "x;y", "<b>", "-rf", "ä", "\u202e", "a" * 200 + "-"])
def test_a_hostile_name_is_left_out_and_told(folder: Path, name: str) -> None:
    shutil.copy(DATA / "mi210.json", folder / f"{name}.json")
    found = read_fleet(folder, load())
    assert sorted(found.hosts) == ["node1", "node2"]
    assert found.warnings[0].isascii()
    assert "\n" not in found.warnings[0]


def test_no_folder_and_no_node_are_told(tmp_path: Path) -> None:
    for path, code in ((tmp_path / "none", "KGE-951"), (tmp_path, "KGE-952")):
        with pytest.raises(InputError) as caught:
            read_fleet(path, load())
        assert caught.value.code == code


def test_a_packed_capture_is_a_node_and_a_broken_one_is_told_of(folder: Path) -> None:
    tree = build(folder.parent / "tree", "h100")
    (folder / "node3.tar.gz").write_bytes(capture(tree))
    (folder / "node4.tar.gz").write_bytes(capture(tree)[:-9])
    found = read_fleet(folder, load())
    assert found.hosts["node3"] == probe_host(tree)
    assert [(node.name, node.rule) for node in found.broken] == [("node4", "KGE-940")]
