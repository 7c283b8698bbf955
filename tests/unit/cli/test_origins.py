"""Documents about an image that was built, and its labels, from the command line to what the engine gets."""

import json
from pathlib import Path
from typing import Any

import pytest

from provision.engine.protocol import Image
from provision.model import BuildResult
from provision.records import attest

Call = Any  # conftest's kgpu_env
DIGEST = f"sha256:{'d' * 64}"


@pytest.fixture
def built(engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401 - conftest's FakeEngine
    """The engine, whose base is one that a registry knows."""
    base = Image(image_id="sha256:ba5e", architecture="amd64", size_bytes=1, digests=(f"debian@{DIGEST}",))
    engine.images["debian:bookworm-slim"] = base
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return engine


def labels(engine: Any) -> list[str]:  # noqa: ANN401 - as above
    text = engine.built[-1][0].files["Dockerfile"].decode()
    return [line.split()[1] for line in text.splitlines() if line.startswith("LABEL org.")]


def test_the_base_is_told_by_its_digest_and_no_time(built: Any, kgpu_env: Call) -> None:  # noqa: ANN401 - as above
    ended = kgpu_env("build", "--vendor", "cpu", "--json")
    assert ended.code == 0, ended.err
    found = labels(built)
    assert f'org.opencontainers.image.base.digest="{DIGEST}"' in found
    assert [line for line in found if "created" in line or "revision" in line] == []
    plain = json.loads(ended.out)
    built.images.clear()
    again = json.loads(kgpu_env("build", "--vendor", "cpu", "--json").out)
    assert plain["plan_digest"] == again["plan_digest"]  # none of these labels is a part of it
    assert [line for line in labels(built) if "digest" in line] == []


def test_provenance_is_written_and_named(built: Any, kgpu_env: Call, tmp_path: Path) -> None:  # noqa: ANN401 - as above
    ended = kgpu_env("build", "--vendor", "cpu", "--provenance", str(tmp_path / "p.json"), "--json")
    assert (ended.code, json.loads(ended.out)["provenance"]) == (0, str(tmp_path / "p.json")), ended.err
    assert built.built
    envelope = json.loads((tmp_path / "p.json").read_bytes())
    assert (envelope["payloadType"], len(envelope["signatures"])) == (attest.IN_TOTO, 1)


def test_a_file_of_somebody_is_found_before_the_build(built: Any, kgpu_env: Call, tmp_path: Path) -> None:  # noqa: ANN401 - as above
    (tmp_path / "p.json").write_text("mine")
    ended = kgpu_env("build", "--vendor", "cpu", "--provenance", str(tmp_path / "p.json"))
    assert (ended.code, "KGE-634" in ended.err, built.built) == (3, True, [])


def test_an_image_beside_a_bundle(kgpu_env: Call) -> None:
    ended = kgpu_env("verify", "image:1", "--bundle", "b.tar")
    assert (ended.code, "KGE-902" in ended.err) == (2, True)


def test_a_bundle_that_is_none(built: Any, kgpu_env: Call, tmp_path: Path) -> None:  # noqa: ANN401 - as above
    for words in (("build",), ("verify",), ("up",)):
        ended = kgpu_env(*words, "--bundle", str(tmp_path / "b.tar"), "--json")
        assert (ended.code, "KGE-221" in ended.out + ended.err) == (3, True), words
    assert built.built == []


def test_the_result_names_both() -> None:
    assert {"sbom", "provenance", "attached", "manifest", "base"} <= set(BuildResult.__struct_fields__)
