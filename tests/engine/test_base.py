import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from provision.engine import apt_sources
from provision.engine import debian_base as room
from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import Run
from provision.errors import BuildError, UsageError

WaitFor = Callable[[Callable[[], bool], str], None]
pytestmark = pytest.mark.engine


def test_a_base_is_made_from_the_machines_own_sources(
    engine: DockerEngine, tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    told: list[str] = []
    image = room.make_base(engine, "bookworm", tag, told.append)
    assert image.labels["kgpu-env.base"] == "bookworm"
    assert any("importing" in line for line in told)
    ran = engine.run(
        Run(image=tag, command=("python3", "-c", "import ssl, venv; print(open('/etc/os-release').read())"))
    )
    assert "bookworm" in ran.stdout
    listed = engine.run(
        Run(image=tag, command=("sh", "-c", "cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null"))
    )
    lines, stanzas = apt_sources.machine_sources("bookworm")
    assert lines or stanzas, "this machine has no apt sources for bookworm"
    for source in (*lines, *stanzas):
        assert source.strip() in listed.stdout
    assert not list(tmp_path.iterdir())


def test_without_mmdebstrap(engine: DockerEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(BuildError) as caught:
        room.make_base(engine, "bookworm", "kgpu-test/none:1", print)
    assert caught.value.code == "KGE-405"
    assert "apt-get install mmdebstrap" in caught.value.fix


def test_neither_root_nor_namespaces(engine: DockerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mmdebstrap").write_text("#!/bin/sh\nexit 99\n")
    (tmp_path / "mmdebstrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(BuildError) as caught:
        room.make_base(engine, "bookworm", "kgpu-test/none:1", print)
    assert caught.value.code == "KGE-406"


def test_a_mirror_that_does_not_answer(engine: DockerEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def dead(_: str) -> tuple[list[str], list[str]]:
        return ["deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://127.0.0.1:1/ bookworm main"], []

    monkeypatch.setattr(apt_sources, "machine_sources", dead)
    with pytest.raises(BuildError) as caught:
        room.make_base(engine, "bookworm", "kgpu-test/none:1", lambda _: None)
    assert caught.value.code == "KGE-407"
    assert "127.0.0.1:1" in "\n".join(caught.value.log)
    assert engine.image("kgpu-test/none:1") is None


@pytest.mark.parametrize("suite", ["", "Bookworm", "--help", "a b", "../x", "x;y"])
def test_a_suite_that_is_none(engine: DockerEngine, suite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        pytest.fail("nothing may be started")

    monkeypatch.setattr(room, "_bootstrap", refuse)
    with pytest.raises(UsageError) as caught:
        room.make_base(engine, suite, "kgpu-test/none:1", print)
    assert caught.value.code == "KGE-412"


SCRIPT = """
import sys, tempfile
tempfile.tempdir = sys.argv[1]
from provision.engine.docker import connect
from provision.engine.debian_base import make_base
engine = connect()
try:
    make_base(engine, "bookworm", "kgpu-test/none:1", lambda line: print(line, flush=True))
except KeyboardInterrupt:
    print("interrupted")
finally:
    engine.close()
"""


def test_ctrl_c_leaves_no_file_and_no_process(
    engine: DockerEngine, tmp_path: Path, wait_for: WaitFor, running: Callable[[str], list[int]]
) -> None:
    command = [sys.executable, "-W", "error", "-c", SCRIPT, str(tmp_path)]
    marker = f"{tmp_path}/kgpu-env-base-"
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        wait_for(lambda: bool(running(marker)), "mmdebstrap")
        time.sleep(3)  # into its downloads
        os.kill(process.pid, signal.SIGINT)
        assert process.communicate(timeout=10)[0].endswith("interrupted\n")
    wait_for(lambda: not running(marker), "the end of mmdebstrap")
    assert not list(tmp_path.iterdir())
    assert engine.image("kgpu-test/none:1") is None
