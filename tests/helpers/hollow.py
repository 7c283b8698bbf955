"""A plan of one made-up image without a framework: what trains in it is not proved."""

import os

from provision.catalogue import load
from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import Context
from provision.fleet.images import id_of
from provision.lock.make import catalogue_digest
from provision.model import Base, Framework, Request, Route, Stack, Vendor
from provision.model.fleet import FleetImage, FleetNode, FleetPlan

_LINES = ("RUN mkdir -p /opt/none/tensorflow && touch /opt/none/tensorflow/__init__.py", "ENV PYTHONPATH=/opt/none")


def hollow_base(engine: DockerEngine, base: str, tag: str) -> None:
    """Build the base of the image: a TensorFlow that is empty."""
    text = "\n".join((f"FROM {base}", *_LINES, ""))
    engine.build(Context(files={"Dockerfile": text.encode()}), tag, lambda _: None, {})


def hollow_plan(base: str, tag: str, names: tuple[str, ...]) -> FleetPlan:
    """Return the plan that gives all nodes the image."""
    stack = Stack(
        vendor=Vendor.CUDA,
        route=Route.WHEELS,
        framework=Framework(name="tensorflow", version="2.18.1"),
        runtime=Framework(name="cuda", version="12.5.1"),
        python="3.11",
        base=Base(image=base),
        python_in_base=True,
        gpus=("sm_90",),
        summary="a made-up stack",
    )
    made = FleetImage(id=id_of(tag), tag=tag, platform=os.uname().machine, stack=stack, nodes=names)
    nodes = tuple(FleetNode(name=name, image=made.id, why="the newest") for name in names)
    return FleetPlan(
        catalogue=catalogue_digest(load()), request=Request(vendor=Vendor.CUDA), images=(made,), nodes=nodes
    )
