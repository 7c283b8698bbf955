"""The engine room on a current Docker: its own tests once more, and what only this engine shows."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import BuildStep, Built, Job, Run

Modern = Any  # the class of conftest.py
Window = Any  # the same, one folder up
Make = Callable[..., Built]
pytestmark = pytest.mark.engine
ENGINE = Path(__file__).parents[1]
AGAIN = ("test_build.py", "test_images.py", "test_pinned.py", "test_run.py")
ROOT = ENGINE.parents[1]


@pytest.mark.usefixtures("debian")
def test_the_engine_s_own_tests_pass_here_as_well(docker28: Modern) -> None:
    """Ids, tags, cached rebuilds, failing steps, cancelling, limits, push and pull; the registry is in its network."""
    files = [str(ENGINE / name) for name in AGAIN]
    command = [*docker28.daemon.inside, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    ended = subprocess.run(
        command, env=os.environ | docker28.environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout[-6000:]
    assert "passed" in ended.stdout
    assert "skipped" not in ended.stdout


def test_an_imported_base_keeps_its_labels_and_no_other_name(docker28: Modern, debian: str) -> None:
    image = docker28.engine.image(debian)
    assert image.labels == {"made": 'of "a" $TAR'}
    assert image.image_id.startswith("sha256:")
    assert image.size_bytes > 10 << 20
    names = [name for one in docker28.api.images() for name in one["RepoTags"] or ()]
    assert debian in names
    assert not [name for name in names if name.startswith("kgpu-env-import")]


def test_a_cache_mount_is_kept_between_builds_and_out_of_the_image(docker28: Modern, make: Make, name: str) -> None:
    mount = f"--mount=type=cache,id={name},target=/root/.cache"
    make(f"RUN {mount} echo kept-{name} >/root/.cache/wheel")
    make(f"RUN {mount} cp /root/.cache/wheel /etc/copied")
    ran = docker28.engine.run(Run(image=name, command=("sh", "-c", "cat /etc/copied; ls -A /root/.cache"), user="0"))
    assert ran.stdout == f"kept-{name}\n", ran


def test_a_bound_file_decides_the_cache_and_stays_out_of_the_image(docker28: Modern, make: Make, name: str) -> None:
    line = "RUN --mount=type=bind,source=list,target=/run/list cp /run/list /etc/list"
    first = make(line, list=b"one")
    assert make(line, list=b"one").steps_cached == 1
    second = make(line, list=b"two")
    assert (second.steps_cached, second.image_id != first.image_id) == (0, True)
    ran = docker28.engine.run(Run(image=name, command=("sh", "-c", "cat /etc/list; wc -c </run/list")))
    assert ran.stdout.splitlines() in (["two"], ["two", "0"]), ran  # BuildKit leaves the mount's empty target


def test_a_step_has_the_bridge_s_network(docker28: Modern, make: Make) -> None:
    (bridge,) = docker28.api.inspect_network("bridge")["IPAM"]["Config"]
    code = "import http.server as h; s = h.HTTPServer(('', 0), h.SimpleHTTPRequestHandler); "
    code += "print(s.server_port, flush=True); s.handle_request()"
    fetch = "from urllib.request import urlopen; print('got', urlopen('http://{}:{}', timeout=20).status)"
    seen: list[BuildStep] = []
    command = [*docker28.daemon.inside, sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            port = server.stdout.readline().strip()
            make(f'RUN python3 -c "{fetch.format(bridge["Gateway"], port)}"', seen=seen)
        finally:
            server.kill()
    assert "got 200" in "".join(step.log for step in seen)


def test_a_terminal_has_its_size_at_the_first_instant(docker28: Modern, debian: str, window: Window) -> None:
    """Older engines are told after the start, when a quick command has asked already."""
    job = Job(image=debian, command=("stty", "size"), user="0:0", directory="/", terminal=True)
    for _ in range(5):
        assert docker28.engine.run_job(job, window.streams, lambda: None) == 0
    os.set_blocking(window.keys, False)
    assert os.read(window.keys, 1 << 16).split() == [b"33", b"101"] * 5


def test_the_same_wheels_are_the_same_files_in_the_same_layers_on_both_engines(
    made_wheels: ModuleType, docker28: Modern, debian: str, engine: DockerEngine, base: str
) -> None:
    """The base may be another. The digests differ, since each engine writes a tar file's headers in its own way."""
    makers = made_wheels.Maker(engine, base), made_wheels.Maker(docker28.engine, debian)
    try:
        old, new = (made_wheels.entries_of(one, one(fresh=True)) for one in makers)
        assert len(old) == len(made_wheels.NAMES)
        differs = [sorted(map(str, set(one) ^ set(two)))[:3] for one, two in zip(old, new, strict=True)]
        assert differs == [[]] * len(old)  # stores list the files in orders of their own
    finally:
        for one in makers:
            one.remove()


def test_the_same_wheels_are_the_same_bytes_here_as_well(
    made_wheels: ModuleType, docker28: Modern, debian: str
) -> None:
    maker = made_wheels.Maker(docker28.engine, debian)
    try:
        first, second = (made_wheels.wheels_of(maker.api, debian, maker(fresh=True)) for _ in range(2))
        assert first == second
    finally:
        maker.remove()
