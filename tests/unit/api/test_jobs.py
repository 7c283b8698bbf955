"""A command in an environment has what the same environment's exports have; hosts of tests/data/hosts (made up)."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from provision import api, model
from provision.emit import Order, emit
from provision.engine.network import BuildNetwork
from provision.engine.protocol import Image
from provision.model import Host, Request, Stack, labels

HOSTS = Path(__file__).parents[2] / "data" / "hosts"


class Holding:
    """An engine with one image."""

    def __init__(self, stack: Stack) -> None:
        told = {labels.STACK: json.dumps(msgspec.to_builtins(stack))}
        self.found = Image(image_id="sha256:1", architecture="amd64", size_bytes=1, labels=told)

    def describe(self) -> model.Engine:
        return model.Engine(name="docker", version="28.5.2")

    def image(self, _: str) -> Image:
        return self.found


def holding(stack: Stack) -> Any:  # noqa: ANN401 - as much of an engine as a job needs
    return Holding(stack)


def exported(host: Host, stack: Stack) -> dict[str, str]:
    request = Request(vendor=stack.vendor)
    access = model.Access()  # its own variables are the engine's, not the environment's
    made = Order(
        stack=stack,
        request=request,
        host=host,
        access=access,
        plan=api.render(stack, api.BuildOptions(request=request)),
    )
    words = shlex.split(emit("shell", made)["run.sh"], comments=True)
    found = [word.removeprefix("--env=").partition("=") for word in words if word.startswith("--env=")]
    return {name: value for name, _, value in found}


@pytest.fixture
def _own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("TERM", "COLORTERM"):  # the terminal's, which an export cannot know
        monkeypatch.delenv(name, raising=False)
    no_network: Callable[..., BuildNetwork] = lambda *_: BuildNetwork()  # noqa: E731 - this machine's, no export has
    monkeypatch.setattr("provision.engine.network.build_network", no_network)


@pytest.mark.usefixtures("_own_home")
@pytest.mark.parametrize("name", ["h100-580", "mi300x-spx", "none"])
def test_run_and_export_shell_set_the_same_variables(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    host = model.decode((HOSTS / f"{name}.json").read_bytes(), Host)
    probe: Callable[..., Host] = lambda **_: host  # noqa: E731 - one line says it
    monkeypatch.setattr("provision.api.jobs.probe_host", probe)
    stack = api.resolve(host, Request(fallback="cpu"))
    job = api.job(api.Work(image="x:1", project=tmp_path), ("true",), engine=holding(stack))
    there = exported(host, stack)
    # HOME differs on purpose: a person's history lives on in the cache, a script's home does not.
    assert job.env.keys() == there.keys()
    assert {**job.env, "HOME": ""} == {**there, "HOME": ""}


@pytest.mark.usefixtures("_own_home")
def test_a_session_reaches_what_the_host_reaches_and_logins_stay_in_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    files = {"network/uv.toml": b"s3cret", "network/pip.conf": b"s3cret", "network/ca.crt": b"CA"}
    proxies = {"HTTPS_PROXY": "http://me:s3cret@proxy.example:1", "HTTP_PROXY": "http://proxy.example:1"}
    reached = BuildNetwork(files=files, arguments=proxies, left_out=("index-url: a path",))
    monkeypatch.setattr("provision.engine.network.build_network", lambda *_: reached)
    said: list[str] = []
    stack = api.resolve(Host(), Request(fallback="cpu"))
    work = api.Work(image="x:1", project=tmp_path, shape=model.Shape(env=("PIP_CERT=/mine",)))
    job = api.job(work, ("true",), engine=holding(stack), detail=said.append)
    assert job.network == {"uv.toml": b"s3cret", "pip.conf": b"s3cret", "ca.crt": b"CA"}
    assert job.env["UV_CONFIG_FILE"] == "/dev/network/uv.toml"
    assert job.env["PIP_CERT"] == "/mine"  # what was asked for holds
    assert job.env["HTTP_PROXY"] == "http://proxy.example:1"
    assert "s3cret" not in "".join([*job.env.values(), *said])
    assert any("HTTPS_PROXY: has a login" in line for line in said)
    assert any("index-url: a path" in line for line in said)
