"""The folder with an index's login that a job gets: it ends with the command, also with one that was killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from provision.engine.protocol import Job
from provision.engine.session import handed_in

# Hands a job its files in, says so, and waits to be killed.
HOLDER = """
import sys
from provision.engine.protocol import Job
from provision.engine.session import handed_in
with handed_in(Job(image="x", command=(), user="1:1", directory="/", network={"netrc": b"login"})):
    print("ready", flush=True)
    sys.stdin.read()
"""
JOB = Job(image="x", command=(), user="1:1", directory="/", network={"netrc": b"login"})


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".cache" / "kgpu-env-inside"


def test_it_is_there_for_the_job_and_no_longer(places: Path) -> None:
    with handed_in(JOB) as reached:
        folder = Path(reached.folders[-1].source)
        assert (folder / "netrc").read_bytes() == b"login"
        assert folder.is_relative_to(places)
        assert [one.stat().st_mode & 0o777 for one in (places, folder.parent)] == [0o700, 0o700]
    assert list(places.iterdir()) == []


@pytest.mark.process
def test_that_of_a_killed_command_goes_with_the_next_one_and_a_living_ones_stays(places: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdin=-1, stdout=-1) as held:
        assert held.stdout
        assert held.stdout.readline() == b"ready\n"
        [left] = places.iterdir()
        with handed_in(JOB):
            assert left.is_dir()
        os.kill(held.pid, signal.SIGKILL)
        held.wait()
        assert (left / "network" / "netrc").is_file()
        with handed_in(JOB):
            assert not left.exists()


def test_without_a_home_it_works_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    with handed_in(JOB) as reached:
        assert Path(reached.folders[-1].source, "netrc").is_file()
