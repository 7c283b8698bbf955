"""`--platform`: stacks for machines of another processor, and who builds them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from provision.model import Engine

Call = Callable[..., Any]
DESCRIBED = Engine(name="docker", version="28.5.2", address="unix:///made/up.sock", architecture="x86_64")


def packages(ended: Any) -> list[str]:  # noqa: ANN401 - how the command line ended
    return [one.partition("==")[0] for one in ended.document()["packages"]]


def test_the_wheels_are_those_of_the_processor(kgpu_env: Call) -> None:
    assert "tensorflow-cpu" in packages(kgpu_env("resolve", "--vendor", "cpu", "--platform", "linux/amd64", "--json"))
    found = packages(kgpu_env("resolve", "--vendor", "cpu", "--platform", "linux/arm64", "--json"))
    assert "tensorflow" in found
    assert "tensorflow-cpu" not in found
    text = kgpu_env("render", "--vendor", "cpu", "--platform", "linux/arm64").out
    assert " tensorflow==" in text


def test_it_replaces_the_processor_of_a_host(kgpu_env: Call, host: Callable[[str], Path]) -> None:
    words = ("resolve", "--host", host("h100-580"), "--json")
    assert kgpu_env(*words).document()["framework"]["name"] == "tensorflow"
    stack = kgpu_env(*words, "--platform", "linux/arm64").document()
    assert "machine" in {one["rule"] for one in stack["rejected"]}
    assert stack["framework"]["name"] != "tensorflow"


def test_it_is_a_key_and_a_variable_and_a_word_of_two(kgpu_env: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("kgpu-env.yaml").write_text("vendor: cpu\nplatform: linux/arm64\n")
    assert "tensorflow" in packages(kgpu_env("resolve", "--json"))
    monkeypatch.setenv("KGPU_ENV_PLATFORM", "linux/amd64")
    assert "tensorflow-cpu" in packages(kgpu_env("resolve", "--json"))
    ended = kgpu_env("resolve", "--platform", "linux/arm")
    assert (ended.code, "did you mean linux/arm64?" in ended.err) == (2, True)


@pytest.mark.parametrize("named", ["x86_64", "amd64"])  # Docker's word, and Podman's
def test_an_engine_builds_for_its_own_processor(
    kgpu_env: Call,
    engine: Any,  # noqa: ANN401 - conftest's FakeEngine
    monkeypatch: pytest.MonkeyPatch,
    named: str,
) -> None:
    monkeypatch.setattr(engine, "describe", lambda: replace(DESCRIBED, architecture=named))
    monkeypatch.setattr("provision.lock.uv_program.provide_uv", lambda *_, **__: None)  # no process
    ended = kgpu_env("build", "--vendor", "cpu", "--platform", "linux/arm64", "--tag", "site/x:1", "--json")
    assert (ended.code, ended.document()["code"], engine.built) == (6, "KGE-930", [])
    assert "for aarch64, and the engine's machine is x86_64" in ended.err
    assert kgpu_env("build", "--vendor", "cpu", "--platform", "linux/amd64", "--tag", "site/x:1").code == 0


def test_a_lock_has_decided_it_and_a_fleet_has_many(kgpu_env: Call, tmp_path: Path) -> None:
    ended = kgpu_env("build", "--locked", "--platform", "linux/arm64")
    assert (ended.code, "KGE-908" in ended.err) == (2, True)
    ended = kgpu_env("fleet", "plan", tmp_path, "--platform", "linux/arm64")
    assert (ended.code, "fix       leave --platform out" in ended.err) == (2, True)
