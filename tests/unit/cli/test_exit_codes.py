"""Each wrong input: its exit code, its words, and no traceback."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from provision.errors import BuildError, EngineError

pytestmark = pytest.mark.usefixtures("engine")
HostFile = Callable[[str], Path]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("render", "--vendor", "nvida"), "did you mean nvidia?"),
        (("render", "--vendor", "ROCM"), "did you mean rocm?"),
        (("build", "--vendor", "quantum"), "choose from auto, cuda, rocm, cpu"),
        (("resolve", "--tensorflow", "2.x"), "'2.x' is no version number"),
        (("resolve", "--python", "3.11; rm"), "is no version number"),
        (("up", "--cuda", "12.5\n"), "is no version number"),
        (("up", "--rocm", "\u0667"), "is no version number"),
        (("up", "--fallback", "gpu"), "the only one is cpu"),
        (("render", "--nope"), "No such option: --nope"),
        (("rendr",), "No such command 'rendr'"),
        (("verify", "--time-limit", "0"), "--time-limit"),
        (("catalogue", "list", "relases"), "There is no table 'relases'"),
        (("doctor", "KGE-1"), "No code 'KGE-1' is known"),
    ],
)
def test_wrong_use_is_2(kgpu_env: Callable[..., tuple[int, str, str]], words: tuple[str, ...], told: str) -> None:
    code, out, err = kgpu_env(*words)
    assert (code, out) == (2, "")
    assert told in err
    assert err.startswith("KGE-9")
    assert "\n  fix       " in err
    assert "Traceback" not in err


@pytest.mark.parametrize("vendor", ["nvidia", "cuda"])
def test_nvidia_means_cuda(kgpu_env: Callable[..., tuple[int, str, str]], host: HostFile, vendor: str) -> None:
    code, out, _ = kgpu_env("resolve", "--vendor", vendor, "--host", host("h100-580"), "--json")
    assert code == 0
    assert json.loads(out)["vendor"] == "cuda"


@pytest.mark.parametrize("vendor", ["amd", "rocm"])
def test_amd_means_rocm(kgpu_env: Callable[..., tuple[int, str, str]], host: HostFile, vendor: str) -> None:
    code, out, _ = kgpu_env("resolve", "--vendor", vendor, "--host", host("mi300x-30.10"), "--json")
    assert code == 0
    assert json.loads(out)["vendor"] == "rocm"


def test_unknown_version_is_4_and_names_what_there_is(kgpu_env: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = kgpu_env("resolve", "--vendor", "cpu", "--tensorflow", "9.9")
    assert (code, out) == (4, "")
    assert "TensorFlow 9.9 was asked for" in err
    assert "--tensorflow 2." in err  # one that there is


def test_no_gpu_is_4_and_says_where_it_looked(kgpu_env: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = kgpu_env("resolve")
    assert (code, out) == (4, "")
    assert "The host has no GPU." in err
    assert "looked at: /sys/bus/pci/devices, /dev/dxg" in err
    assert "--vendor cpu" in err


def test_the_fallback_gives_the_cpu_stack(kgpu_env: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = kgpu_env("resolve", "--fallback", "cpu", "--json")
    assert code == 0
    assert json.loads(out)["vendor"] == "cpu"


def test_the_fallback_is_not_taken_where_there_is_a_gpu(
    kgpu_env: Callable[..., tuple[int, str, str]], host: HostFile
) -> None:
    code, out, _ = kgpu_env("resolve", "--fallback", "cpu", "--host", host("h100-580"), "--json")
    assert code == 0
    assert json.loads(out)["vendor"] == "cuda"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"schema": "kgpu-env/host/2"}',
        b'{"schema": "kgpu-env/stack/1"}',
        b'{"gpus": [{"vendor": "intel"}]}',
        b'{"gpus": [{"vendor": "nvidia", "architecture": "sm_90\\n"}]}',
        b'{"gpus": [{"vendor": "nvidia", "architecture": "sm_90\\nRUN curl x"}]}',
        b'{"gpus": [{"vendor": "nvidia", "architecture": "$(id)"}]}',
        b'{"gpus": [{"vendor": "amd", "architecture": "gfx942; rm -rf /"}]}',
        b'{"drivers": [{"vendor": "amd", "release": "30.10\\n"}]}',
        b'{"drivers": [{"vendor": "amd", "release": "new"}]}',
        b'{"gpus": [{"vendor": "nvidia", "memory_bytes": "80 GB"}]}',
    ],
)
def test_a_host_file_that_is_none_is_3(
    kgpu_env: Callable[..., tuple[int, str, str]], tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "host.json"
    file.write_bytes(content)
    code, out, err = kgpu_env("render", "--host", file)
    assert (code, out) == (3, "")
    assert err.startswith("KGE-607: ")
    assert str(file) in err
    assert "Traceback" not in err


def test_a_truncated_host_file_is_3(
    kgpu_env: Callable[..., tuple[int, str, str]], tmp_path: Path, host: HostFile
) -> None:
    whole = host("h100-580").read_bytes()
    for length in range(0, len(whole) - 2, 97):
        (tmp_path / "host.json").write_bytes(whole[:length])
        assert kgpu_env("render", "--host", tmp_path / "host.json")[0] == 3


@pytest.mark.parametrize("words", [("render", "--vendor", "cpu"), ("gate",), ("catalogue", "list")])
def test_a_misspelt_variable_is_3_whatever_the_command(
    kgpu_env: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("KGPU_ENV_PYTHN", "3.12")
    code, out, err = kgpu_env(*words)
    assert (code, out) == (3, "")
    assert err == "KGE-612: There is no variable KGPU_ENV_PYTHN.\n  fix       did you mean KGPU_ENV_PYTHON?\n"
    assert kgpu_env("--help")[0] == 0  # who looks for help gets it


@pytest.mark.parametrize("name", ["missing.json", "."])
def test_a_host_file_that_cannot_be_read_is_3(kgpu_env: Callable[..., tuple[int, str, str]], name: str) -> None:
    code, out, err = kgpu_env("render", "--host", name)
    assert (code, out) == (3, "")
    assert err.startswith("KGE-606: ")
    assert "kgpu-env probe --json" in err


@pytest.mark.parametrize(("error", "code"), [(EngineError, 5), (BuildError, 6)])
def test_what_the_engine_refuses(
    kgpu_env: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
    error: type[EngineError],
    code: int,
) -> None:
    def refuse() -> None:
        raise error("KGE-301", "No.", cause="because", fix="mend it", log=("line 1", "line 2"))

    monkeypatch.setattr("provision.engine.docker.connect", refuse)
    ended = kgpu_env("build", "--vendor", "cpu")
    assert ended[:2] == (code, "")
    assert ended[2].endswith("  | line 1\n  | line 2\nKGE-301: No.\n  cause     because\n  fix       mend it\n")


def test_what_nobody_expected_is_1_without_a_traceback(
    kgpu_env: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("seven")

    monkeypatch.setattr("provision.engine.docker.connect", broken)
    code, out, err = kgpu_env("build", "--vendor", "cpu")
    assert (code, out) == (1, "")
    assert "KGE-999: Unexpected error: ZeroDivisionError: seven" in err
    assert "--debug" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("words", [("--debug", "render"), ("render",)])
def test_a_traceback_only_for_debug(kgpu_env: Callable[..., tuple[int, str, str]], words: tuple[str, ...]) -> None:
    code, out, err = kgpu_env(*words, "--host", "missing.json")
    assert (code, out) == (3, "")  # the same code: scripts may run with --debug
    assert ("Traceback" in err) == ("--debug" in words)
    assert "KGE-606: " in err


def test_ctrl_c_is_130_and_the_engine_is_closed(
    kgpu_env: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    engine = request.getfixturevalue("engine")
    monkeypatch.setattr(engine, "error", KeyboardInterrupt())
    code, out, err = kgpu_env("build", "--vendor", "cpu")
    assert (code, out) == (130, "")
    assert err.endswith("KGE-900: Interrupted.\n")
    assert engine.closed
