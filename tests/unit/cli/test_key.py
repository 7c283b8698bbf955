"""`kgpu-env key`: pairs that sign records, and what a trusted one opens."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]


def test_this_nodes_own_pair_is_made_once(kgpu_env: Call) -> None:
    assert kgpu_env("key", "--public")[0] == 3
    first, again, public = (kgpu_env("key", *words) for words in ((), (), ("--public",)))
    assert first.out == again.out == public.out
    assert first.out.startswith("-----BEGIN PUBLIC KEY-----\n")
    assert [word in run.err for run, word in ((first, " made"), (again, " was there"))] == [True, True]
    [file] = (Path(os.environ["XDG_STATE_HOME"]) / "kgpu-env" / "keys").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() not in first.out + first.err


def test_a_pair_in_a_file_of_its_own(kgpu_env: Call, tmp_path: Path) -> None:
    path = tmp_path / "new" / "site.pem"
    made = json.loads(kgpu_env("key", "--out", path, "--json").out)
    assert (made["schema"], made["path"], made["made"]) == ("kgpu-env/key/1", str(path), True)
    assert made["public"] == kgpu_env("key", "--out", path, "--public").out
    before = path.read_bytes()
    code, out, err = kgpu_env("key", "--out", path)
    assert (code, out, "is there already" in err) == (3, "", True)
    assert path.read_bytes() == before


@pytest.mark.parametrize("option", ["--key", "--trusted-key"])
@pytest.mark.parametrize("kind", ["absent", "folder", "/dev/zero", "text"])
def test_a_key_that_is_none_is_3(kgpu_env: Call, tmp_path: Path, option: str, kind: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("0123456789abcdef" * 4)
    (tmp_path / "text").chmod(0o600)
    code, out, err = kgpu_env("gate", "x", option, kind if kind.startswith("/") else tmp_path / kind)
    assert (code, out, err.startswith("KGE-591: ")) == (3, "", True)


def test_a_verification_refuses_a_bad_own_key_before_it_begins(kgpu_env: Call) -> None:
    kgpu_env("key")
    [file] = (Path(os.environ["XDG_STATE_HOME"]) / "kgpu-env" / "keys").iterdir()
    file.chmod(0o644)
    for words in (("verify", "--here", "--vendor", "cpu"), ("gate",), ("key", "--public")):
        code, out, err = kgpu_env(*words)
        assert (code, out, err.startswith("KGE-591: ")) == (3, "", True)


def test_a_verification_refuses_a_bad_key_before_it_begins(kgpu_env: Call, tmp_path: Path) -> None:
    code, _, err = kgpu_env("verify", "--here", "--vendor", "cpu", "--key", tmp_path / "absent")
    assert (code, err.startswith("KGE-591: ")) == (3, True)
