"""`kgpu-env fleet status`: its exit code, its files, again over its own files."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provision.api.hosts import read_host
from provision.records import Record, host_key, save, seal
from provision.records.keys import public_text

DATA = Path(__file__).parents[2] / "data" / "hosts"
KgpuEnv = Callable[..., Any]


def record(node: str) -> Record:
    return Record(
        tool="1",
        image="x:1",
        image_id="sha256:1",
        plan="",
        code="",
        controlled="",
        host=host_key(read_host(DATA / "h100-580.json"), node),
        backend="tensorflow",
        level="quick",
        requested="gpu",
        verdict="proved",
        reason="weights were on the GPU",
        at="2026-11-29T10:00:00Z",
        proof="sha256:1",
    )


def test_the_command(kgpu_env: KgpuEnv, tmp_path: Path) -> None:
    (hosts := tmp_path / "hosts").mkdir()
    for name, kind in {"a": "h100-580", "b": "h100-580", "c": "h100-535", "d": "driver-not-loaded"}.items():
        shutil.copy(DATA / f"{kind}.json", hosts / f"{name}.json")
    (hosts / "e.json").write_text("{")
    signer = Ed25519PrivateKey.generate()
    save(tmp_path / "records", seal(record("a"), signer))
    (tmp_path / "key.pem").write_text(public_text(signer.public_key()))
    words = ("--records", tmp_path / "records", "--trusted-key", tmp_path / "key.pem", "--max-age", "9999")
    out = ("--html", tmp_path / "s.html", "--prometheus", tmp_path / "s.prom")
    ended = kgpu_env("fleet", "status", hosts, *words, *out, "--json")
    assert ended.code == 3  # d is DRAIN
    assert json.loads(ended.out)["counts"] == {"DRAIN": 1, "UNKNOWN": 1, "WARNING": 3 - 1, "HEALTHY": 1}
    assert "<!DOCTYPE html>" in (tmp_path / "s.html").read_text()
    assert 'kgpu_env_node_state{node="d",state="DRAIN",code="KGE-102"} 1' in (tmp_path / "s.prom").read_text()
    same = kgpu_env("fleet", "status", hosts, "--html", tmp_path / "one", "--prometheus", tmp_path / "one", "--json")
    assert (same.code, json.loads(same.out)["code"]) == (2, "KGE-902")
    assert not (tmp_path / "one").exists()
    (hosts / "d.json").unlink()
    ended = kgpu_env("fleet", "status", hosts, *words, *out)  # again, over its own files
    assert ended.code == 0
    assert "UNKNOWN   e: KGE-607" in ended.out
