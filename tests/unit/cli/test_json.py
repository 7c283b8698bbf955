"""Exactly one JSON document on stdout, which its schema describes, whatever happens."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provision.engine.protocol import Image

Call = Callable[..., Any]
HostFile = Callable[[str], Path]


def test_resolve(kgpu_env: Call, host: HostFile) -> None:
    ended = kgpu_env("resolve", "--host", host("h100-535"), "--json")
    assert ended.code == 0
    document = ended.document()
    assert document["schema"] == "kgpu-env/stack/1"
    assert document["rejected"]


def test_render(kgpu_env: Call) -> None:
    document = kgpu_env("render", "--vendor", "cpu", "--json").document()
    assert document["schema"] == "kgpu-env/render/1"
    assert document["dockerfile"] == kgpu_env("render", "--vendor", "cpu").out


def test_catalogue(kgpu_env: Call) -> None:
    document = kgpu_env("catalogue", "list", "releases", "--json").document()
    assert document["schema"] == "kgpu-env/catalogue/1"
    assert {row["table"] for row in document["rows"]} == {"releases"}
    assert len(kgpu_env("catalogue", "list", "--json").document()["rows"]) > len(document["rows"])


def test_probe(kgpu_env: Call, tmp_path: Path) -> None:
    (tmp_path / "root" / "proc").mkdir(parents=True)
    document = kgpu_env("probe", "--root", tmp_path / "root", "--json").document()
    assert (document["schema"], document["gpus"]) == ("kgpu-env/host/1", [])
    assert document["looked_at"]


def test_probe_feeds_host(kgpu_env: Call, tmp_path: Path) -> None:
    (tmp_path / "root" / "proc").mkdir(parents=True)
    (tmp_path / "host.json").write_text(kgpu_env("probe", "--root", tmp_path / "root", "--json").out)
    assert kgpu_env("resolve", "--host", "host.json", "--fallback", "cpu").code == 0


@pytest.mark.usefixtures("engine")
def test_doctor(kgpu_env: Call) -> None:
    document = kgpu_env("doctor", "--json").document()
    assert document["schema"] == "kgpu-env/doctor/1"
    assert [one["code"] for one in document["findings"]] == ["KGE-301"]  # the made-up host has no engine of its own


def test_doctor_of_a_code(kgpu_env: Call) -> None:
    codes = [row["id"] for row in kgpu_env("catalogue", "list", "errors", "--json").document()["rows"]]
    document = kgpu_env("doctor", codes[0].lower(), "--json").document()
    assert (document["schema"], document["code"]) == ("kgpu-env/code/1", codes[0].lower())
    assert codes[0] in document["text"]


@pytest.mark.usefixtures("engine")
def test_build(kgpu_env: Call) -> None:
    ended = kgpu_env("build", "--vendor", "cpu", "--tag", "site/x:1", "--push", "--json")
    assert ended.code == 0
    document = ended.document()
    assert (document["schema"], document["tag"], document["pushed"]) == ("kgpu-env/build/1", "site/x:1", True)
    assert (document["cached"], document["steps_total"], document["steps_cached"]) == (False, 2, 1)


@pytest.mark.usefixtures("engine")
def test_base(kgpu_env: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Image(image_id="sha256:ab", architecture="amd64", size_bytes=7)
    monkeypatch.setattr("provision.engine.debian_base.make_base", lambda *_: made)
    document = kgpu_env("base", "trixie", "--json").document()
    assert document["schema"] == "kgpu-env/base/1"
    assert (document["tag"], document["image_id"]) == ("kgpu-env/base:debian-trixie", "sha256:ab")


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("words", [("verify", "site/x:1", "--vendor", "cpu"), ("up", "--fallback", "cpu")])
def test_a_proof_that_fails(kgpu_env: Call, words: tuple[str, ...]) -> None:
    ended = kgpu_env(*words, "--report", "proof.json", "--json")
    assert ended.code == 7
    document = ended.document()
    assert (document["schema"], document["verdict"]) == ("kgpu-env/proof/1", "not-proved")
    assert Path("proof.json").read_text().strip() == ended.out.strip()


def test_show_config(kgpu_env: Call) -> None:
    Path("kgpu-env.yaml").write_text('vendor: cpu\npython: "3.11"\n')
    document = kgpu_env("render", "--python", "3.12", "--show-config", "--json").document()
    assert document["schema"] == "kgpu-env/config/1"
    assert document["options"]["python"] == {"value": "3.12", "origin": "flag --python"}
    assert document["options"]["vendor"]["origin"].endswith("kgpu-env.yaml")


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("code", "words"),
    [
        (2, ("render", "--vendor", "nvida")),
        (2, ("render", "--nope")),
        (2, ("doctor", "KGE-1")),
        (2, ("catalogue", "list", "nope")),
        (3, ("render", "--host", "missing.json")),
        (3, ("build", "--vendor", "cpu", "--package", "--index-url=x")),
        (3, ("verify", "x", "--report", "/proc/none/x.json")),
        (4, ("resolve",)),
        (4, ("up", "--vendor", "cpu", "--tensorflow", "1.2")),
    ],
)
def test_errors(kgpu_env: Call, code: int, words: tuple[str, ...]) -> None:
    ended = kgpu_env(*words, "--json")
    assert ended.code == code
    document = ended.document()
    assert (document["schema"], document["exit_code"]) == ("kgpu-env/error/1", code)
    assert document["text"] in ended.err
    assert document["fix"]


def test_an_error_with_what_no_encoding_can_write(kgpu_env: Call) -> None:
    ended = kgpu_env("render", "--vendor", "cpu", "--base", "\udcff", "--json")
    assert ended.code == 4
    assert "\\udcff" in ended.document()["cause"]
