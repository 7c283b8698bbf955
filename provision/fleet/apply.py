"""A plan, applied: Ansible brings each node its image and has it proved there; the signed records are gathered here."""

import fcntl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from provision import api
from provision.catalogue import Catalogue
from provision.errors import InputError
from provision.fleet.batch import Batch
from provision.fleet.hosts import NAME
from provision.fleet.images import ids_of
from provision.fleet.inventory import asked, nodes_of
from provision.fleet.probing import make
from provision.fleet.remediation import remedy
from provision.model.fleet import FleetImage, FleetPlan
from provision.model.fleet_apply import GOOD, SHARE, Applied, AppliedNode, ApplyWishes, FleetApply

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Listener = Callable[[AppliedNode], None]
_PLAN: Final = "make the plan again: kgpu-env fleet plan HOSTS -o PLAN"
_MODULES: Final = "community.docker"


class Application(NamedTuple):
    """A plan and where it is applied.

    Attributes:
        plan: with its images built.
        place: its file, which is locked meanwhile, and from whose folder bundles are named.
        inventory: of Ansible.
        records: the folder here that the nodes' records are gathered in.
        signer: signs the records of nodes without kgpu-env.
        trusted: where there are any, one of them must have signed a node's record.
        catalogue: explains messages.
    """

    plan: FleetPlan
    place: Path
    inventory: Path
    records: Path
    signer: api.Records
    trusted: "tuple[Ed25519PublicKey, ...]"
    catalogue: Catalogue


def apply_plan(order: Application, heard: Listener, wishes: ApplyWishes) -> FleetApply:
    """Bring each node of a plan its image, have it proved there, and return what became of each.

    A node whose record still holds is left as it is, so that an interrupted run is taken up by another one.

    Args:
        order: the plan and where it is applied.
        heard: is told of each node as soon as it has answered.
        wishes: which nodes, in what order, and when it stops.

    Raises:
        InputError: KGE-942, a node's name is none; KGE-943, no usable inventory; KGE-962, no node of the plan is in it;
            KGE-944, KGE-959, no Ansible, or not its docker modules; KGE-957, an image was not built; KGE-221, a bundle
            cannot be used; KGE-958, the plan is being applied; KGE-605, the records cannot be written.
        KeyboardInterrupt: what was proved until then is on the nodes, and is found there by the next run.
    """
    images = {name: image for image in order.plan.images for name in image.nodes}
    listed = nodes_of(order.inventory, wishes.limit)
    meant = [name for name in listed if name in images]
    strange = [name for name in meant if not NAME.fullmatch(name)]
    if strange:
        cause = "a record of it would be written elsewhere than in the folder of the records"
        raise InputError("KGE-942", f"The plan has {strange[0]!a}, which is no name of a node.", cause=cause, fix=_PLAN)
    if not meant:
        cause = f"it has {', '.join(listed[:4])}, the plan {', '.join(sorted(images)[:4]) or 'none'}"
        fix = "name nodes in the inventory as in HOSTS, whose plan it is"
        raise InputError("KGE-962", "The inventory has no node that the plan has an image for.", cause=cause, fix=fix)
    with _alone(order.place):
        shipping = _sources(order, [images[name] for name in meant], check=wishes.check)
        _need_modules()
        if not wishes.check:
            make(order.records, "name a folder that you can write to: --records DIR")
        batch = Batch(images, heard, wishes, order)
        for node in _aside(order.plan, listed, images, whole=not wishes.limit):
            batch.add(node)
        stopped = _batches(batch, meant, shipping, wishes)
        nodes = tuple(sorted(batch.found.values(), key=lambda one: one.name))
        remedied = remedy(nodes, wishes, total=len(images) + len(order.plan.unserved))
    others = [name for name in listed if name not in batch.found]
    return FleetApply(
        plan=str(order.place),
        records=str(order.records),
        nodes=nodes,
        stopped=stopped,
        drained=remedied.drained,
        released=remedied.released,
        warnings=(*((f"not in the plan, and left out: {', '.join(others)}",) if others else ()), *remedied.warnings),
    )


def _batches(batch: Batch, asked: Sequence[str], shipping: Mapping[str, Any], wishes: ApplyWishes) -> str:
    """Carry out all batches; return why one was the last before its time."""
    size = wishes.batch_size(len(asked))
    share = SHARE if wishes.stop_share is None else wishes.stop_share
    for start in range(0, len(asked), size):
        names = asked[start : start + size]
        batch.run(names, shipping)
        bad = [name for name in names if batch.found[name].outcome not in GOOD | {Applied.DUE}]
        left = asked[start + size :]
        if left and 100 * len(bad) > share * len(names):
            why = f"{len(bad)} of {len(names)} nodes of the last batch were not proved ({', '.join(bad[:4])})"
            for name in left:
                batch.skip(name, f"the batch before failed: {why}")
            return f"{why}; {len(left)} further nodes were not begun"
    return ""


def _aside(
    plan: FleetPlan, listed: Sequence[str], images: Mapping[str, FleetImage], *, whole: bool
) -> Iterator[AppliedNode]:
    """Yield the nodes that nothing is done for: without an image, or not in the inventory."""
    for one in plan.unserved:
        if whole or one.name in listed:
            yield AppliedNode(
                name=one.name, image="", outcome=Applied.UNSERVED, cause=one.cause, code=one.rule, fix=one.fix
            )
    for name in sorted(set(images) - set(listed)) if whole else ():
        cause = "the plan has it, and the inventory does not"
        yield AppliedNode(name=name, image=images[name].id, outcome=Applied.UNKNOWN, cause=cause)


def _sources(order: Application, images: Sequence[FleetImage], *, check: bool) -> dict[str, Any]:
    """Return of each image how a node gets it, each bundle checked."""
    found: dict[str, Any] = {}
    for image in {one.id: one for one in images}.values():
        bundle = order.place.parent / image.bundle if image.bundle else None
        if not image.image_id or not (image.reference or bundle):
            fix = f"kgpu-env fleet build {order.place} --push REGISTRY, or --bundle DIR"
            raise InputError("KGE-957", f"The image {image.id} was not built for shipping.", fix=fix)
        if bundle and not image.reference and not check:
            api.check_bundled_image(bundle, image.tag, ids_of(image))
        found[image.id] = {
            "tag": image.tag,
            "ids": list(ids_of(image)),
            "reference": image.reference,
            "archive": str(bundle.resolve()) if bundle else "",
        }
    return found


def _need_modules() -> None:
    """Raise InputError KGE-959 where Ansible does not find its docker modules."""
    output, _, code = asked("ansible-doc", "--list", "--json", "--type", "module", _MODULES)
    if code or "docker_image_info" not in output:
        fix = "ansible-galaxy collection install community.docker, or pip install ansible"
        raise InputError("KGE-959", f"Ansible has no {_MODULES}, whose modules reach the nodes' engines.", fix=fix)


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Refuse a second run with the same plan; the lock ends with this process, whatever ends that."""
    with place.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            fix = "wait for its end; a run that was interrupted holds nothing"
            raise InputError("KGE-958", f"Another run applies {place} now.", fix=fix) from error
        yield
