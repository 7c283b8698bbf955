"""`from provision import api`: cheap, and the same functions however often they were called."""

import doctest
import subprocess
import sys
from pathlib import Path

import pytest

from provision import api
from provision.api import stacks
from provision.emit import docker_arguments, order
from provision.engine.image_probe import LocalImage
from provision.errors import BuildError
from provision.model import BuildOptions, Host, Request, Vendor
from provision.registry import RemoteImage

DOCS = Path(__file__).parents[3] / "docs"
CHEAP = """
import sys, provision
assert not {name for name in sys.modules if name.startswith("provision.")}
from provision import api
slow = {"docker", "jinja2", "yaml", "typer", "requests", "http.client", "hashlib", "provision.prove"} & set(sys.modules)
assert not slow, slow
"""
TWICE = """
import provision.resolve.request as module, provision.render, provision.engine.image_build
from provision import api
from provision.model import BuildOptions, Host, Request, Vendor
request = Request(vendor=Vendor.CPU)
for _ in range(2):
    stack = api.resolve(Host(), request)
    plan = api.render(stack, BuildOptions(request=request))
assert callable(api.build) and callable(api.verify) and callable(api.probe_host)
assert stack.vendor == "cpu" and plan.dockerfile
assert provision.resolve.request is module  # a package, which no function of its name stands in front of
"""


@pytest.mark.process
@pytest.mark.parametrize("script", [CHEAP, TWICE], ids=["cheap", "twice"])
def test_in_a_process_of_its_own(script: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)


@pytest.mark.parametrize("module", [stacks, order, docker_arguments], ids=lambda module: module.__name__)
def test_the_examples_are_true(module: object) -> None:
    results = doctest.testmod(module)  # type: ignore[arg-type] # a module, as said above
    assert results.attempted > 0
    assert results.failed == 0


def test_the_examples_of_the_manual_are_true() -> None:
    results = doctest.testfile(str(DOCS / "api.md"), module_relative=False)
    assert results.attempted > 0
    assert results.failed == 0


def test_the_manual_names_every_function() -> None:
    text = (DOCS / "api.md").read_text()
    assert [name for name in api.__all__ if f"`{name}" not in text] == []


def test_every_name_is_there() -> None:
    assert all(callable(getattr(api, name)) for name in api.__all__)


def test_the_values_lead_from_one_to_the_next() -> None:
    request = Request(vendor=Vendor.CPU, packages=("pandas",))
    plan = api.render(api.resolve(Host(), request), BuildOptions(request=request))
    assert "pandas" in plan.dockerfile


DIGEST = f"sha256:{'ab' * 32}"


@pytest.mark.parametrize(
    ("image", "known", "found"),
    [
        ("x.example/a:1", (f"x.example/a@{DIGEST}",), f"x.example/a:1@{DIGEST}"),
        ("team/a:1", (f"docker.io/team/a@{DIGEST}",), f"team/a:1@{DIGEST}"),  # one name, written in two ways
        ("x.example/a:1", (f"y.example/a@{DIGEST}",), "x.example/a:1"),  # its digest in another registry
        ("x.example/a:1", (), "x.example/a:1"),
        (f"x.example/a@{DIGEST}", (), f"x.example/a@{DIGEST}"),
    ],
)
def test_the_engine_tells_the_digest(
    monkeypatch: pytest.MonkeyPatch, image: str, known: tuple[str, ...], found: str
) -> None:
    monkeypatch.setattr("provision.engine.image_probe.probe_image", lambda *_: LocalImage("sha256:1", known))
    assert api.pinned(image, "x86_64") == found


@pytest.mark.parametrize("pushed", [True, False])
def test_a_digest_that_is_only_the_id_is_believed_when_the_registry_has_it(
    monkeypatch: pytest.MonkeyPatch, *, pushed: bool
) -> None:
    def look_up(image: str, *_: object, **__: object) -> RemoteImage:
        assert image == f"x.example/a:1@{DIGEST}"
        if not pushed:
            raise BuildError("KGE-422", "The registry does not give it.")
        return RemoteImage(
            digest=f"sha256:{'cd' * 32}", config="", architecture="amd64"
        )  # of the index's image for this machine

    monkeypatch.setattr(
        "provision.engine.image_probe.probe_image", lambda *_: LocalImage(DIGEST, (f"x.example/a@{DIGEST}",))
    )
    monkeypatch.setattr("provision.api.images.look_up", look_up)
    assert api.pinned("x.example/a:1", "x86_64", remote=False) == "x.example/a:1"
    if pushed:
        assert api.pinned("x.example/a:1", "x86_64") == f"x.example/a:1@{DIGEST}"
    else:
        with pytest.raises(BuildError):
            api.pinned("x.example/a:1", "x86_64")


def test_a_name_made_up_here_is_asked_of_no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provision.engine.image_probe.probe_image", lambda *_: None)
    monkeypatch.setattr("provision.api.images.look_up", lambda *_, **__: pytest.fail("asked"))
    assert api.pinned("kgpu-env/cpu:1", "x86_64", remote=False) == "kgpu-env/cpu:1"
