"""A password of the network settings goes through every command, and is seen in none of their outputs."""

import base64
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from provision.cli.commands import COMMANDS
from provision.engine.protocol import Ran
from provision.errors import BuildError
from provision.lock import uv

MARK = "pA55-w0rd"
PROJECT = f"""\
network:
  index_url: https://user:{MARK}@packages.example/simple
  extra_index_urls: [https://{MARK}@more.example/simple]
  proxy: http://user:{MARK}@proxy.example:3128
labels: {{a: b}}
"""
REAL_UV = uv._run  # noqa: SLF001 - which the fixture of all unit tests replaces
Call = Callable[..., Any]
WORDS: dict[str, list[tuple[str, ...]]] = {
    "up": [("up", "--vendor", "cpu")],
    "probe": [("probe",)],
    "resolve": [("resolve", "--vendor", "cpu"), ("resolve", "--show-config")],
    "check": [("check", "proxy.example/x")],
    "lock": [("lock", "--vendor", "cpu")],
    "outdated": [("outdated",)],
    "render": [
        ("render", "--vendor", "cpu"),
        ("render", "--vendor", "cpu", "-o", "context/"),
    ],
    "build": [("build", "--vendor", "cpu"), ("build", "--vendor", "cpu", "--push")],
    "verify": [
        (
            "verify",
            "x",
            "--vendor",
            "cpu",
            "--report",
            "r.json",
            "--html",
            "r.html",
            "--junit",
            "r.xml",
            "--ctrf",
            "c.json",
        )
    ],
    "gate": [("gate",)],
    "key": [("key",)],
    "init": [("init", "--yes", "--output", "new")],
    "run": [("run", "--", "true")],
    "shell": [("shell",)],
    "jupyter": [("jupyter",)],
    "export": [
        ("export", "compose", "--vendor", "cpu"),
        ("export", "devcontainer", "--vendor", "cpu"),
        ("export", "devcontainer", "--vendor", "cpu", "-o", "dev"),
    ],
    "doctor": [("doctor",)],
    "base": [("base",)],
    "prune": [("prune", "--dry-run")],
    "prepare": [("prepare", "--dry-run")],
    "report": [("report", "--root", "nowhere")],
    "size": [("size", "kgpu-test/none:1")],
    "bundle": [("bundle",)],
    "inspect": [("inspect", "kgpu-test/none:1")],
    "catalogue": [("catalogue", "list")],
    "fleet": [("fleet", "plan", "hosts")],
}
ALL = [pytest.param(words, id=" ".join(words)) for every in WORDS.values() for words in every]


@pytest.fixture
def secretive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder whose project file, and a process whose environment, hold a password wherever they can."""
    (tmp_path / "kgpu-env.yaml").write_text(PROJECT)
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{MARK}@127.0.0.1:1")
    monkeypatch.setenv("PIP_FIND_LINKS", f"https://user:{MARK}@links.example/")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(5, f"no way to http://user:{MARK}@proxy.example:3128")

    monkeypatch.setattr(subprocess, "Popen", refuse)  # uv, mmdebstrap
    monkeypatch.setattr("provision.lock.uv._run", REAL_UV)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()
    (tmp_path / "hosts").mkdir()
    (tmp_path / "hosts" / "node.json").write_text('{"schema": "kgpu-env/host/1"}')
    login = base64.b64encode(f"user:{MARK}".encode()).decode()
    (tmp_path / "docker" / "config.json").write_text(f'{{"auths": {{"proxy.example": {{"auth": "{login}"}}}}}}')
    return tmp_path


def holding(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and MARK.encode() in path.read_bytes():
            yield path


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("words", ALL)
@pytest.mark.parametrize("as_json", [False, True], ids=["", "json"])
def test_no_output_has_the_password(kgpu_env: Call, secretive: Path, words: tuple[str, ...], as_json: bool) -> None:  # noqa: FBT001 - a parameter
    end = words.index("--") if "--" in words else len(words)
    ended = kgpu_env("--debug", *words[:end], *(("--json",) * as_json), *words[end:])
    assert MARK not in ended.out
    assert MARK not in ended.err
    for path in holding(secretive):
        where = path.relative_to(secretive)
        if str(where) in {"kgpu-env.yaml", "docker/config.json"}:
            continue
        # What the build mounts, and no image keeps, has it; nobody else may read that.
        assert where.parent.name == "network"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_every_command_is_tried() -> None:
    assert set(WORDS) == {one.name for one in COMMANDS}


@pytest.mark.usefixtures("secretive")
def test_the_settings_are_shown_without_it(kgpu_env: Call) -> None:
    shown = kgpu_env("resolve", "--show-config").out
    assert "https://***@packages.example/simple" in shown
    assert "https://***@more.example/simple" in shown
    assert "http://***@proxy.example:3128" in shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KGPU_ENV_NETWORK_EXTRA_INDEX_URLS", f"[https://user:{MARK}@more.example/"),
        ("KGPU_ENV_NETWORK_REGISTRIES", f"{{docker.io: 'https://user:{MARK}@mirror.example'}}"),
        ("KGPU_ENV_NETWORK_REGISTRIES", f"{{docker.io: 'user:{MARK}@mirror.example'}}"),
        ("KGPU_ENV_NETWORK_INDEX_URL", f"https://user:{MARK}@[/"),
        ("KGPU_ENV_NETWORK_PROXY", f"http://user:{MARK}@[/"),
        ("KGPU_ENV_PACKAGES", f"['x @ git+https://user:{MARK}@host/x.git']"),
        ("KGPU_ENV_ENV", f"{{A: 'https://user:{MARK}@host'}}"),
        ("KGPU_ENV_LABELS", f"{{a: 'https://user:{MARK}@host'}}"),
    ],
)
@pytest.mark.usefixtures("engine")
def test_a_refusal_does_not_tell_it(kgpu_env: Call, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    for words in (("build", "--vendor", "cpu"), ("build", "--vendor", "cpu", "--json")):
        code, out, err = kgpu_env("--debug", *words)
        assert code == 3
        assert MARK not in out + err


@pytest.mark.usefixtures("engine")
def test_what_others_say_is_told_without_it(
    kgpu_env: Call, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    said = f"fetch http://user:{MARK}@proxy.example:3128 failed"
    engine = request.getfixturevalue("engine")
    monkeypatch.setattr(engine, "error", BuildError("KGE-401", said, cause=said, fix=said, log=(said, said)))
    code, out, err = kgpu_env("build", "--vendor", "cpu", "--json")
    assert code == 6
    assert MARK not in out + err
    assert "http://***@proxy.example:3128" in err


@pytest.mark.usefixtures("engine")
def test_a_report_does_not_keep_what_a_container_said(
    kgpu_env: Call, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    said = f"Failed to fetch http://user:{MARK}@packages.example/simple"
    engine = request.getfixturevalue("engine")
    monkeypatch.setattr(engine, "run", lambda *_: Ran(exit_code=1, stdout=said, stderr=said, seconds=0.1))
    files = ("--report", "r.json", "--html", "r.html", "--junit", "r.xml", "--ctrf", "c.json")
    ended = kgpu_env("verify", "x", "--vendor", "cpu", *files)
    assert MARK not in ended.out + ended.err
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["c.json", "r.html", "r.json", "r.xml"]
    assert list(holding(tmp_path)) == []


@pytest.mark.usefixtures("engine")
def test_text_that_turns_a_line_does_not_reach_the_terminal(kgpu_env: Call, tmp_path: Path) -> None:
    for words in (("resolve", "--host", "a\u202eb\u2066c"), ("resolve", "--host", "a\u202eb\u2066c", "--json")):
        code, out, err = kgpu_env(*words)
        assert code == 3
        assert not {"\u202e", "\u2066"} & set(out + err)
        assert "a\\u202eb" in err
    (tmp_path / "host.json").write_text('{"gpus": [{"vendor": "nvidia", "name": "H\\u202e100"}]}')
    ended = kgpu_env("resolve", "--host", "host.json")
    assert "\u202e" not in ended.out + ended.err
