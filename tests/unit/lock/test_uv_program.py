"""uv for a build: fetched by hash, kept, and whole or not at all."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from provision.errors import BuildError
from provision.lock.uv_program import provide_uv
from provision.model import Pin

PIN = Pin(name="uv", version="0.13.9", hashes=(f"sha256:{'1' * 64}",), use="tool")
Given = Callable[..., Path | None]


class Fake:
    """A uv that notes how it is called and leaves a program, or an error."""

    def __init__(self, problem: str = "") -> None:
        self.problem, self.calls = problem, list[Sequence[str]]()
        self.list = ""
        self.environment: Mapping[str, str] = {}

    def __call__(self, command: Sequence[str], environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
        self.calls.append(command)
        self.list = Path(command[-1]).read_text()
        self.environment = environment
        place = Path(command[command.index("--target") + 1]) / "bin" / "uv"
        place.parent.mkdir(parents=True)
        place.write_text("program")
        return subprocess.CompletedProcess(command, bool(self.problem), "", self.problem)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def provide(tmp_path: Path, told: list[str]) -> Given:
    def call(run: Fake, pins: tuple[Pin, ...] = (PIN,), machine: str = "x86_64", **files: bytes) -> Path | None:
        network = {f"network/{name}": content for name, content in files.items()}
        return provide_uv("0.13.9", pins, machine, cache=tmp_path, files=network, log=told.append, run=run)

    return call


def test_it_is_fetched_by_hash_for_the_engine_s_machine_and_kept(provide: Given, told: list[str]) -> None:
    run = Fake()
    found = provide(run, machine="aarch64")
    assert found is not None
    assert found.read_text() == "program"
    assert run.list == f"uv==0.13.9 --hash=sha256:{'1' * 64}\n"
    assert "--require-hashes" in run.calls[0]
    assert "aarch64-manylinux_2_28" in run.calls[0]
    assert provide(run, machine="aarch64") == found
    assert (len(run.calls), told) == (1, [])


def test_another_hash_is_another_program(provide: Given) -> None:
    run = Fake()
    other = Pin(name="uv", version="0.13.9", hashes=(f"sha256:{'2' * 64}",), use="tool")
    assert provide(run) != provide(run, (other,))
    assert len(run.calls) == 2


def test_without_a_pin_the_catalogue_s_version_is_taken(provide: Given) -> None:
    run = Fake()
    assert provide(run, ()) is not None
    assert run.list == "uv==0.13.9\n"
    assert "--require-hashes" not in run.calls[0]


def test_the_build_s_network_is_used(provide: Given) -> None:
    run = Fake()
    provide(run, **{"ca.crt": b"pem", "uv.toml": b"[[index]]"})
    assert run.environment["SSL_CERT_FILE"].endswith("ca.crt")
    assert run.environment["UV_CONFIG_FILE"].endswith("uv.toml")


def test_a_file_with_another_hash_stops_the_build(provide: Given, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="another file") as caught:
        provide(Fake("error: failed\nHash mismatch for `uv==0.13.9`"))
    assert (caught.value.code, caught.value.log[-1]) == ("KGE-401", "Hash mismatch for `uv==0.13.9`")
    assert not list(tmp_path.rglob("bin/uv"))


def test_an_index_that_does_not_answer_leaves_it_to_the_build(provide: Given, told: list[str], tmp_path: Path) -> None:
    assert provide(Fake("error: dns error")) is None
    assert told == ["uv is fetched in the build: error: dns error"]
    assert not list(tmp_path.rglob("uv"))


def test_a_machine_without_a_wheel_leaves_it_to_the_build(provide: Given) -> None:
    assert provide(Fake(), machine="riscv64") is None


def test_a_program_that_others_may_change_is_not_used(provide: Given, told: list[str]) -> None:
    found = provide(Fake())
    assert found is not None
    found.chmod(0o777)
    assert provide(Fake()) is None
    assert "belongs to another user, or others may change it" in told[0]


def test_a_cache_that_cannot_be_written_leaves_it_to_the_build(provide: Given, told: list[str], tmp_path: Path) -> None:
    (tmp_path / "tools").write_text("no folder")
    assert provide(Fake()) is None
    assert told == [f"uv is fetched in the build: {tmp_path}/tools: File exists"]
