"""What people expect of any program: colour where it helps, a host from a pipe, completion, `python -m`."""

import http.server
import io
import json
import os
import socketserver
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from provision import api
from provision.cli.colour import coloured
from provision.cli.completion import bases, codes, images, profiles, row_ids
from provision.cli.output import log, settle_talk, warn
from provision.errors import InputError

Call = Callable[..., Any]
HOSTS = Path(__file__).parents[2] / "data" / "hosts"


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("line", "colour"),
    [
        ("PROVED  vm", 32),
        ("NOT PROVED  vm", 31),
        ("KGE-902: no", 31),
        ("TRAINED ON CPU  vm", 33),
        ("warning   x", 33),
    ],
)
def test_a_terminal_gets_colour_that_says_no_more_than_the_words(line: str, colour: int) -> None:
    shown = coloured(line, Terminal())
    assert shown.startswith(f"\x1b[{colour};1m")
    assert shown.replace(f"\x1b[{colour};1m", "").replace("\x1b[0m", "") == line


def test_others_get_words_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert coloured("PROVED", io.StringIO()) == "PROVED"
    assert coloured("text PROVED", Terminal()) == "text PROVED"
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert coloured("PROVED", io.StringIO()) != "PROVED"
    monkeypatch.setenv("NO_COLOR", "1")  # it has the last word
    assert coloured("PROVED", Terminal()) == "PROVED"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("FORCE_COLOR", "0")
    monkeypatch.setenv("TERM", "dumb")
    assert coloured("PROVED", Terminal()) == "PROVED"


def test_a_host_may_come_through_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (HOSTS / "h100.json").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert api.read_host(Path("-")).gpus
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"{}x")))
    with pytest.raises(InputError) as raised:
        api.read_host(Path("-"))
    assert raised.value.code == "KGE-607"


def test_words_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "KGE-512" in codes("kge-51")
    assert row_ids("tensorflow-2.21") == ["tensorflow-2.21.0"]
    assert profiles("") == []
    Path("kgpu-env.yaml").write_text("profiles: {laptop: {vendor: cpu}, lab: {vendor: cuda}}\n")
    assert profiles("la") == ["lab", "laptop"]
    Path("kgpu-env.yaml").write_text("{")  # a prompt is no place for an error
    assert profiles("") == []


def test_images_are_completed_by_what_the_engine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "image_names", lambda: ["team/keras:1", "other:2"])
    assert images("te") == ["team/keras:1"]
    assert "python:3.12-slim-bookworm" in bases("python:")

    def broken() -> list[str]:
        raise OSError("no engine on a local socket")

    monkeypatch.setattr(api, "image_names", broken)
    assert images("") == []


@pytest.mark.process
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("kgpu-env doctor KGE-512", ["KGE-512"]),
        ("kgpu-env catalogue show tensorflow-2.21", ["tensorflow-2.21.0"]),
        ("kgpu-env build --profile la", ["laptop"]),
        ("kgpu-env run --image oth", ["other:2"]),
        ("kgpu-env build --vend", ["--vendor"]),
        ("kgpu-env verify team/keras :", ["1", "2"]),  # bash ends words at colons, and replaces what is behind them
        ("kgpu-env build --base debian : bookw", ["bookworm-slim"]),
    ],
)
def test_bash_is_told_what_may_follow(line: str, offered: list[str], tmp_path: Path) -> None:
    (tmp_path / "kgpu-env.yaml").write_text("profiles: {laptop: {vendor: cpu}}\n")
    words = line.split()
    asked = {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1), "_KGPU_ENV_COMPLETE": "complete_bash"}
    with engine_of(tmp_path / "engine.sock", ["team/keras:1", "team/keras:2", "other:2"]) as address:
        environment = {**os.environ, **asked, "DOCKER_HOST": address}
        done = subprocess.run(
            [sys.executable, "-m", "provision"],
            capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path, env=environment,
        )  # fmt: skip
    assert (done.stdout.split(), done.stderr) == (offered, "")


@contextmanager
def engine_of(path: Path, names: list[str]) -> Iterator[str]:
    """An engine that tells its images; yields its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps([{"RepoTags": names}, {"RepoTags": None}]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "socket"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"unix://{path}"
        server.shutdown()


def test_verbose_and_quiet_may_stand_before_the_command(kgpu_env: Call) -> None:
    Path("kgpu-env.yaml").write_text("vendor: cpu\n")
    told = f"note      the project file is {Path.cwd() / 'kgpu-env.yaml'}\n"
    for words in (("-v", "resolve"), ("resolve", "-v")):
        err = kgpu_env(*words).err
        assert err.count(told) == 1
        assert "Took " in err
    assert told not in kgpu_env("resolve").err
    assert kgpu_env("render", "-o", "new/").err == "wrote new/\n"
    for words in (("-q", "render"), ("render", "-q")):
        assert kgpu_env(*words, "-o", "new/").err == ""


def test_a_warning_is_said_once_and_in_quiet_too(capfd: pytest.CaptureFixture[str]) -> None:
    settle_talk({"quiet": True})
    for _ in range(2):
        warn("warning   it is old")
        log("note      it is new")
    warn("Verify    warning: it is old")  # as a room says it that a command showed the same already
    assert capfd.readouterr().err == "warning   it is old\n"
    settle_talk({})
    for _ in range(2):
        warn("warning   it is old")
        log("note      it is new")
        log("Build     it is there")
    assert capfd.readouterr().err == (
        "warning   it is old\nnote      it is new\nBuild     it is there\nBuild     it is there\n"
    )


def test_what_docker_mounts_with_is_told_by_its_name_here(kgpu_env: Call) -> None:
    ended = kgpu_env("run", "-v", "/data:/data:ro", "--", "true", "--json")
    assert ended.code == 2
    assert "fix       `--mount /data:/data:ro`" in ended.err


@pytest.mark.process
def test_python_starts_it_as_a_module() -> None:
    words = [sys.executable, "-m", "provision", "resolve", "--vendor", "cpu", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert json.loads(done.stdout)["vendor"] == "cpu", done.stderr
