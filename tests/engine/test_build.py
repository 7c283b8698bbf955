import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import BuildStep, Built, Context, Run
from provision.errors import BuildError

if TYPE_CHECKING:
    from docker import APIClient

Build = Callable[..., Built]
WaitFor = Callable[[Callable[[], bool], str], None]
pytestmark = pytest.mark.engine


def test_a_build_is_tagged_and_reported(engine: DockerEngine, build: Build, tag: str) -> None:
    seen: list[BuildStep] = []
    built = build(f"RUN echo made-{tag}", f'LABEL a="{tag}"', seen=seen)
    image = engine.image(tag)
    assert image is not None
    assert image.image_id == built.image_id
    assert image.labels["a"] == tag
    assert built.size_bytes > 0
    (step,) = {report.name for report in seen if "RUN echo made" in report.name}
    assert [report.state for report in seen if report.name == step][-1] == "done"
    assert f"made-{tag}" in "".join(report.log for report in seen if report.name == step)
    assert (built.steps_total, built.steps_cached) == (1, 0)


def test_the_same_again_is_cached(build: Build, tag: str) -> None:
    first = build(f"RUN echo {tag}", "RUN true")
    again = build(f"RUN echo {tag}", "RUN true")
    assert again.image_id == first.image_id
    assert (again.steps_total, again.steps_cached) == (2, 2)


def test_a_failed_step_names_itself_and_shows_its_last_lines(engine: DockerEngine, build: Build, tag: str) -> None:
    with pytest.raises(BuildError) as caught:
        build("RUN true", f"RUN exec >&2; seq 30; echo {tag}-broke; exit 7", "RUN echo never")
    error = caught.value
    assert error.code == "KGE-401"
    assert "[3/4] RUN exec >&2; seq 30" in error.text
    assert error.text.endswith("exit code 7")
    assert len(error.log) == 20
    assert f"{tag}-broke" in error.log
    assert engine.image(tag) is None


def test_a_failed_rebuild_keeps_the_old_tag(engine: DockerEngine, build: Build, tag: str) -> None:
    built = build(f"RUN echo {tag}")
    with pytest.raises(BuildError):
        build("RUN false")
    image = engine.image(tag)
    assert image is not None
    assert image.image_id == built.image_id


def test_a_dockerfile_that_is_none(engine: DockerEngine, tag: str) -> None:
    with pytest.raises(BuildError, match="before its first step") as caught:
        engine.build(Context(files={"Dockerfile": b"FRM x\n"}), tag, lambda _: None, {})
    assert "unknown instruction: FRM" in caught.value.cause


def test_a_base_that_cannot_be_pulled(engine: DockerEngine, registry: str, tag: str) -> None:
    context = Context(files={"Dockerfile": f"FROM {registry}/none:1\n".encode()})
    with pytest.raises(BuildError) as caught:
        engine.build(context, tag, lambda _: None, {})
    assert caught.value.code == "KGE-402"
    assert f"{registry}/none:1" in caught.value.text
    assert "not found" in caught.value.cause
    assert engine.image(tag) is None


def test_a_package_that_does_not_exist(build: Build) -> None:
    with pytest.raises(BuildError) as caught:
        build("RUN apt-get install -y --no-install-recommends kgpu-no-such-package")
    assert caught.value.code == "KGE-401"
    assert "Unable to locate package kgpu-no-such-package" in "\n".join(caught.value.log)


def test_a_file_with_a_long_name(engine: DockerEngine, base: str, tag: str) -> None:
    """As wheels for several platforms have it; one sorts before the Dockerfile, which has to be the first."""
    names = ("A" * 200, f"network/wheels/{'w' * 150}.whl")
    text = f"FROM {base}\nRUN --mount=type=bind,target=/x wc -c {' '.join(f'/x/{name}' for name in names)} > /found\n"
    engine.build(Context(files={"Dockerfile": text.encode(), **dict.fromkeys(names, b"1")}), tag, lambda _: None, {})
    assert "2 total" in engine.run(Run(image=tag, command=("cat", "/found"))).stdout


def test_bound_files_and_arguments_leave_no_trace(engine: DockerEngine, api: "APIClient", base: str, tag: str) -> None:
    text = (
        f"FROM {base}\nRUN --mount=type=bind,source=network,target=/dev/network"
        " grep -q hidden /dev/network/ca.crt && test $HTTPS_PROXY = $(cat /dev/network/proxy)\n"
    )
    files = {"Dockerfile": text.encode(), "network/ca.crt": b"hidden", "network/proxy": b"http://hidden:1"}
    engine.build(Context(files=files), tag, lambda _: None, {"HTTPS_PROXY": "http://hidden:1"})
    told = str(api.history(tag))  # type: ignore[no-untyped-call] # no types in the SDK's stub
    told += str(api.inspect_image(tag))  # type: ignore[no-untyped-call] # the same
    assert "hidden:1" not in told
    assert "grep -q" in told


SCRIPT = """
import sys
from provision.engine.docker import connect
from provision.engine.protocol import Context
engine = connect()
text = f"FROM {sys.argv[1]}\\nRUN sleep {sys.argv[3]}\\n"
def step(report):
    if report.state == "running" and "RUN sleep" in report.name:
        print("running", flush=True)
try:
    engine.build(Context(files={"Dockerfile": text.encode()}), sys.argv[2], step, {})
except KeyboardInterrupt:
    print("interrupted")
finally:
    engine.close()
"""


def test_ctrl_c_leaves_no_step_and_no_tag(
    engine: DockerEngine, base: str, tag: str, wait_for: WaitFor, running: Callable[[str], list[int]]
) -> None:
    seconds = f"3{time.monotonic_ns() % 10**9:09d}"  # tells this build's process from all others
    step = f"sh -c sleep {seconds}"
    command = [sys.executable, "-W", "error", "-c", SCRIPT, base, tag, seconds]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        wait_for(lambda: bool(running(step)), "the running step")
        os.kill(process.pid, signal.SIGINT)
        assert process.communicate(timeout=20)[0] == "interrupted\n"
    assert process.returncode == 0
    wait_for(lambda: not running(step), "the end of the step")
    assert engine.image(tag) is None
