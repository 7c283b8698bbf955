"""The layer of a devcontainer as BuildKit builds it, in a network whose settings the context brings along."""

from typing import TYPE_CHECKING

import pytest

from provision.catalogue import load
from provision.emit import Order, emit
from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import Context, Run
from provision.model import Access, DevContainer, Host, Request, Vendor
from provision.render import render
from provision.resolve import resolve

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = pytest.mark.engine
# A setting that apt refuses to be without would stop the build; this one is seen in what it writes.
APT = b'APT::Get::Show-Versions "true";\n'


def exported(image: str) -> dict[str, bytes]:
    request = Request(vendor=Vendor.CPU)
    stack = resolve(load(), Host(), request)
    plan = render(load(), stack, request, network={"network/apt.conf": APT})
    order = Order(
        stack=stack,
        request=request,
        host=Host(),
        access=Access(),
        plan=plan,
        image=image,
        devcontainer=DevContainer(sudo=True),
    )
    files = emit("devcontainer", order)
    return {name.removeprefix(".devcontainer/"): text.encode() for name, text in files.items()}


def test_it_is_built_and_leaves_nothing_of_the_network(
    engine: DockerEngine, api: "APIClient", tensorflow_image: str, tag: str
) -> None:
    files = exported(tensorflow_image)
    engine.build(Context(files=files), tag, lambda _: None, {})
    script = "git --version && ssh -V && sudo -n true; id -un; python -m pip --version; ls /dev/network /etc/apt"
    ran = engine.run(Run(image=tag, command=("sh", "-c", script), access=Access(), seconds=60))
    assert "git version" in ran.stdout, ran.stderr
    assert "keras" in ran.stdout.split()
    assert "/opt/venv" in ran.stdout
    assert "/dev/network" in ran.stderr  # ls: there is none
    sizes = [api.inspect_image(name)["Size"] for name in (tag, tensorflow_image)]  # type: ignore[no-untyped-call] # as the SDK has it
    assert sizes[0] - sizes[1] < 100_000_000, sizes  # 83 MB were seen; files that are copied up would be 1.3 GB
    again = engine.build(Context(files=exported(tag)), tag, lambda _: None, {})  # all is there: nothing is fetched
    assert again.image_id
