"""A fleet's plan: the images that serve its nodes, which node gets which, and what driver upgrades would save."""

from typing import Literal

import msgspec

from provision.model.base import Value
from provision.model.host import Severity
from provision.model.request import Request
from provision.model.stack import Stack


class FleetImage(Value):
    """An image that is built once, and the nodes that it serves."""

    id: str  # of its content: "cuda-tf2.21.0-cuda12.5.1-py3.11-4be1f09a"
    tag: str  # the name that it is built under: "kgpu-env/cuda:tf2.21.0-cuda12.5.1-py3.11-4be1f09a"
    platform: str  # the processor, as the kernel names it: "x86_64"
    stack: Stack  # for the GPUs of all of its nodes
    nodes: tuple[str, ...]  # by name, sorted
    # What `fleet build` adds.
    image_id: str = ""  # as the engine that built it calls it: "sha256:..."
    ids: tuple[str, ...] = ()  # as nodes' engines do: the digest of its configuration, or of a manifest
    lock: str = ""  # the file that names its base and wheels, from the plan's folder
    reference: str = ""  # by digest, in the registry that it was pushed to
    bundle: str = ""  # the file with it, from the plan's folder


class FleetNode(Value):
    """A node that is served."""

    name: str
    image: str  # the id of its image
    why: str  # why not the newest stack that the node alone could have, or that this is the newest


class Unserved(Value):
    """A node that no image of the plan serves."""

    name: str
    rule: str  # the rule of the resolver that stands in the way, or the code of an error
    cause: str
    fix: str = ""


class Upgrade(Value):
    """Nodes that get the same newer driver."""

    driver: str  # "driver 580.65.06 or newer"
    nodes: tuple[str, ...]


class CurvePoint(Value):
    """How few images are enough when some nodes get a newer driver."""

    images: int
    upgrades: int  # nodes that need a newer driver, the fewest possible
    changes: tuple[Upgrade, ...] = ()
    optimal: bool = True  # proved by the solver
    bound: int = 0  # with fewer upgrades it is proved to be impossible; equals `upgrades` where that is optimal


class FleetPlan(Value):
    """What `fleet plan` writes and `fleet build` and `fleet apply` read."""

    schema: Literal["kgpu-env/fleet-plan/1"] = "kgpu-env/fleet-plan/1"
    version: str = ""  # of this tool
    catalogue: str = ""  # the digest of the facts that it was made with
    request: Request = Request()  # that holds for every node
    images: tuple[FleetImage, ...] = ()  # the one of the most nodes first
    nodes: tuple[FleetNode, ...] = ()  # by name
    unserved: tuple[Unserved, ...] = ()  # by name
    optimal: bool = True  # no smaller set of images serves the same nodes: proved by the solver
    bound: int = 0  # with fewer images it is proved to be impossible
    curve: tuple[CurvePoint, ...] = ()  # the most images first
    warnings: tuple[str, ...] = ()


class PlanWishes(Value):
    """What is asked of a plan beside the request that holds for each node."""

    max_images: int | None = None
    image_price: float | None = None  # an image is worth so many nodes one release behind their own newest framework
    same_tensorflow: bool = False
    pins: dict[str, str] = msgspec.field(default_factory=dict)  # node: image id, or how one begins
    curve: bool = True  # whether driver upgrades are tried


class Complaint(Value):
    """A primary cause that nodes share, and what mends it on each of them."""

    code: str
    severity: Severity
    text: str  # of the first node
    fix: str
    commands: tuple[str, ...] = ()
    check: str = ""  # shows whether it helped
    nodes: tuple[str, ...]  # by name


class FleetExamination(Value):
    """What `fleet doctor` prints: each node is in one list, under its primary cause."""

    schema: Literal["kgpu-env/fleet-doctor/1"] = "kgpu-env/fleet-doctor/1"
    complaints: tuple[Complaint, ...] = ()  # errors first, then those of the most nodes
    healthy: tuple[str, ...] = ()
    broken: tuple[Unserved, ...] = ()  # nodes whose file cannot be read: nothing is known of them
    warnings: tuple[str, ...] = ()


class FleetBuild(Value):
    """What `fleet build` prints."""

    schema: Literal["kgpu-env/fleet-build/1"] = "kgpu-env/fleet-build/1"
    plan: str  # the file, which tells now where each image is
    images: tuple[FleetImage, ...] = ()  # that were built


class BuildWishes(Value):
    """Where the images of a plan go, and which of them are built."""

    push: str = ""  # a registry, with a folder in it where that is wanted: "registry.example/team"
    bundles: str = ""  # a folder
    images: tuple[str, ...] = ()  # ids; none: all
    force: bool = False  # replace bundles that are there
