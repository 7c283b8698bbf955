"""The files of `export kubernetes --fleet`: an order for each image of a plan."""

from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from provision import api
from provision.catalogue import Catalogue
from provision.cli.context import load_catalogue
from provision.cli.output import log
from provision.cli.parsers import is_node
from provision.config import Settings
from provision.emit import Order
from provision.emit.kubernetes_fleet import kubernetes_fleet
from provision.engine.access import device_access
from provision.errors import InputError, UsageError, nearest
from provision.model import BuildOptions, Host
from provision.model.fleet import FleetImage, FleetPlan


def fleet_files(path: Path, settled: Settings, host: Path | None, returning: tuple[str, ...]) -> dict[str, str]:
    """Return the files that prove the nodes of a plan.

    Args:
        path: the plan, best after `fleet build --push`, which writes into it where each image is.
        settled: of the pods.
        host: of a node; tells the groups of device nodes, and slices.
        returning: the nodes that are to be proved by a Job each; none: all, by DaemonSets.

    Raises:
        InputError: KGE-942, no plan; KGE-968, it has no node that a cluster could have.
        UsageError: KGE-902, a node is not in the plan.
    """
    from provision.fleet.plan import read_plan  # noqa: PLC0415 - 15 ms, which no other export need take
    from provision.lock.make import catalogue_digest  # noqa: PLC0415 - 9 ms, as above

    plan = read_plan(path)
    here = api.read_host(host) if host else Host()
    catalogue = load_catalogue(settled.catalogue)
    orders = {image.id: _order(image, plan, settled, here, catalogue) for image in plan.images}
    names = [name for order in orders.values() for name in order.nodes]
    if not names:
        raise InputError("KGE-968", f"The plan {path} gives no node an image.", fix="kgpu-env fleet plan HOSTS -o PLAN")
    for name in returning:
        if name not in names:
            fix = nearest(name, names) or f"name one of its nodes: {', '.join(sorted(names)[:4])}"
            raise UsageError("KGE-902", f"The plan has no image for the node {name}.", fix=fix)
    if plan.catalogue != catalogue_digest(catalogue):
        log(
            "note      the plan was made with another catalogue than this one: what its images hold is told by this one"
        )
    for note in _notes(plan):
        log(f"note      {note}")
    return kubernetes_fleet(orders, returning)


def _order(image: FleetImage, plan: FleetPlan, settled: Settings, host: Host, catalogue: Catalogue) -> Order:
    """Return what an image's nodes are proved by.

    Raises:
        InputError: KGE-968, a node's name is none of Kubernetes.
    """
    for name in image.nodes:
        if not is_node(name):
            what = f"{name} is no name of a Kubernetes node."
            fix = "plan from kubectl get nodes -o json, or call the nodes' files as kubectl get nodes calls them"
            raise InputError("KGE-968", what, cause="the plan was made of other names", fix=fix)
    rendered = api.render(image.stack, BuildOptions(request=plan.request), catalogue=catalogue)
    return Order(
        stack=image.stack,
        request=plan.request,
        host=host,
        access=device_access(host, image.stack.vendor),
        plan=replace(rendered, tag=image.tag),
        image=image.reference or None,
        shape=settled.shape,
        cluster=settled.cluster,
        nodes=image.nodes,
    )


def _notes(plan: FleetPlan) -> Iterator[str]:
    local = [image.id for image in plan.images if not image.reference]
    if local:
        yield f"no registry is known to have {', '.join(local)}: kgpu-env fleet build PLAN --push REGISTRY"
    if plan.unserved:
        yield f"{len(plan.unserved)} nodes of the plan have no image, and are not proved"
