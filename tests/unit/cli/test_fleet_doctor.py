"""`kgpu-env fleet doctor` tells nodes with the same primary cause together."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HOSTS = Path(__file__).parents[2] / "data" / "hosts"
KgpuEnv = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "hosts"
    place.mkdir()
    for name, kind in {"a": "driver-not-loaded", "b": "driver-not-loaded", "c": "h100-580", "d": "wsl2"}.items():
        shutil.copy(HOSTS / f"{kind}.json", place / f"{name}.json")
    return place


def test_a_cause_is_told_once_with_its_nodes(kgpu_env: KgpuEnv, folder: Path) -> None:
    ended = kgpu_env("fleet", "doctor", folder, "--json")
    found = ended.document()
    assert ended.code == 3
    assert [(one["code"], one["nodes"]) for one in found["complaints"]] == [("KGE-102", ["a", "b"]), ("KGE-115", ["d"])]
    assert found["healthy"] == ["c"]
    assert "KGE-102   error, 2 nodes: a, b" in kgpu_env("fleet", "doctor", folder).out


def test_a_warning_is_an_error_with_strict_alone(kgpu_env: KgpuEnv, folder: Path) -> None:
    (folder / "a.json").unlink()
    (folder / "b.json").unlink()
    assert kgpu_env("fleet", "doctor", folder).code == 0
    assert kgpu_env("fleet", "doctor", folder, "--strict").code == 3


def test_a_node_that_cannot_be_read_is_neither_healthy_nor_ill(kgpu_env: KgpuEnv, folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    (folder / "x.json").write_text(json.dumps({"schema": "kgpu-env/host/9"}))
    ended = kgpu_env("fleet", "doctor", folder, "--json")
    found = ended.document()
    assert ended.code == 3
    assert (found["healthy"], found["complaints"]) == ([], [])
    assert [(one["name"], one["rule"]) for one in found["broken"]] == [("x", "KGE-607")]
    assert f"          fix: {found['broken'][0]['fix']}\n" in kgpu_env("fleet", "doctor", folder).out


@pytest.mark.parametrize("command", ["plan", "doctor", "status"])
def test_the_projects_catalogue_is_heeded(
    kgpu_env: KgpuEnv, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kgpu-env.yaml").write_text("catalogue: facts\n")
    (tmp_path / "facts").mkdir()
    (tmp_path / "facts" / "bases.yaml").write_text("bases: 3\n")
    ended = kgpu_env("fleet", command, folder)
    assert (ended.code, "bases.yaml" in ended.err) == (3, True)
