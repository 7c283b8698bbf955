"""A command that is stopped, that meets another one, or has no room or right to write: what it leaves, and says."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from faulty import Fault, faulty

Attempt = Any  # the class of conftest.py
KgpuEnv = Any  # the class of ../conftest.py
Failed = Callable[..., dict[str, str]]
WaitFor = Callable[..., None]
pytestmark = pytest.mark.engine
FILE = "^/files/demo-1"
UV = "uv pip install --python /opt/venv/bin/python"  # what of a step is seen among the machine's processes


@pytest.fixture
def waiting(attempt: Attempt, wheels: dict[str, bytes], wait_for: WaitFor) -> Iterator["subprocess.Popen[str]"]:
    """A build in the middle of a download that does not go on; its step ends with it."""
    with faulty(Fault("hang", FILE), wheels) as index:
        with attempt.kgpu_env.start(*attempt.words(index=index.host), "--no-cache") as process:
            wait_for(lambda: index.failed > 0, "the download")
            yield process
            process.kill()
        asked = index.failed
        time.sleep(3)
        assert index.failed == asked, "the step goes on"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_build_that_is_stopped(waiting: "subprocess.Popen[str]", attempt: Attempt, number: signal.Signals) -> None:
    os.killpg(waiting.pid, number)
    out, err = waiting.communicate(timeout=30)
    assert (waiting.returncode, json.loads(out)["code"]) == (130, "KGE-900"), err
    assert attempt.image is None


def test_a_build_whose_command_is_killed(
    waiting: "subprocess.Popen[str]", attempt: Attempt, running: Callable[[str], list[int]], wait_for: WaitFor
) -> None:
    assert running(UV)
    waiting.kill()
    waiting.wait(10)
    wait_for(lambda: not running(UV), "the end of the step")
    assert attempt.image is None


def test_a_pull_that_is_stopped(attempt: Attempt, registry: str, wait_for: WaitFor) -> None:
    with faulty(Fault("hang"), upstream=registry) as server:
        words = attempt.words(base=f"{server.host}/any:1")
        with attempt.kgpu_env.start(*words) as process:
            wait_for(lambda: server.failed > 0, "the pull")
            os.killpg(process.pid, signal.SIGINT)
            out, err = process.communicate(timeout=30)
    assert (process.returncode, json.loads(out)["code"]) == (130, "KGE-900"), err
    assert attempt.image is None


def test_two_builds_of_one_plan_at_once(attempt: Attempt, wheels: dict[str, bytes]) -> None:
    with faulty(Fault("slow", FILE, seconds=3), wheels) as index:
        words = attempt.words(index=index.host)
        both = [attempt.kgpu_env.start(*words) for _ in range(2)]
        ended = [one.communicate(timeout=120) for one in both]
    assert [one.returncode for one in both] == [0, 0], ended
    first, second = (json.loads(out)["image_id"] for out, _ in ended)
    assert attempt.image.image_id in {first, second}
    assert first == second


def test_one_of_two_builds_is_stopped(attempt: Attempt, wheels: dict[str, bytes], wait_for: WaitFor) -> None:
    with faulty(Fault("slow", FILE, seconds=6), wheels) as index:
        words = attempt.words(index=index.host)
        one, other = (attempt.kgpu_env.start(*words) for _ in range(2))
        wait_for(lambda: index.failed > 0, "the download")
        os.killpg(one.pid, signal.SIGINT)
        one.communicate(timeout=30)
        _, err = other.communicate(timeout=120)
    assert (one.returncode, other.returncode) == (130, 0), err
    assert attempt.image


def read_only(folder: Path) -> tuple[str, ...]:
    """What starts a command for which a folder cannot be written."""
    script = f'mount --bind {folder} {folder} && mount -o remount,ro,bind {folder} && cd {folder} && exec "$@"'
    return ("unshare", "--mount", "sh", "-c", script, "sh")


def test_a_folder_that_cannot_be_written(attempt: Attempt, wheels: dict[str, bytes]) -> None:
    with faulty(Fault(), wheels) as index:
        words = attempt.words(index=index.host)
        folder = attempt.kgpu_env.folder
        before = sorted(folder.iterdir())
        ended = attempt.kgpu_env(*words, before=read_only(folder), env={"XDG_STATE_HOME": "/dev/null/none"})
    assert ended.returncode == 0, ended.stderr
    assert attempt.image
    lost = attempt.kgpu_env("bundle", before=read_only(folder))
    assert (lost.returncode, "KGE-605" in lost.stderr) == (3, True), lost.stderr
    assert sorted(folder.iterdir()) == before


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A folder of a disk that is full."""
    place = tmp_path / "full"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], check=True)
    (place / "ballast").write_bytes(bytes(60 << 10))
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_no_room_for_temporary_files(attempt: Attempt, failed: Failed, full: Path) -> None:
    error = failed(attempt(env={"TMPDIR": str(full)}), 3)
    assert (error["code"], "TMPDIR" in error["fix"]) == ("KGE-605", True), error


def test_no_temporary_folder(attempt: Attempt, failed: Failed, tmp_path: Path) -> None:
    places = ("/tmp", "/var/tmp", "/dev/shm", str(tmp_path))
    before = tuple(word for place in places for word in read_only(Path(place)))
    error = failed(attempt.kgpu_env(*attempt.words(), before=before, env={"TMPDIR": "/none"}), 3)
    assert error["code"] == "KGE-605", error


@pytest.mark.parametrize("size", ["", "0", "3XB", "-1GB", "1e9999GB", "nan", "3 GB or so", "\u0663GB"])
def test_a_size_that_is_none(attempt: Attempt, failed: Failed, size: str) -> None:
    error = failed(attempt("--max-size", size), 3)
    assert "size" in error["text"].lower()


def test_an_image_of_others_is_no_cache(attempt: Attempt, wheels: dict[str, bytes], base: str) -> None:
    with faulty(Fault(), wheels) as index:
        ended = attempt("--cache-from", base, "--cache-from", "127.0.0.1:9/none:1", index=index.host)
    assert ended.returncode == 0, ended.stderr


def test_a_lock_of_another_processor(attempt: Attempt, failed: Failed) -> None:
    words = attempt.words()
    path = attempt.kgpu_env.folder / "kgpu.lock"
    path.write_text(path.read_text().replace('"platform": "x86_64', '"platform": "aarch64'))
    error = failed(attempt.kgpu_env(*words), 6)
    assert error["code"] == "KGE-930", error
