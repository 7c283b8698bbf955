"""From nodes to classes that the resolver cannot tell apart, and from those to the images that serve them."""

from collections.abc import Hashable, Mapping
from typing import Final

from msgspec import Struct

from provision.catalogue import Catalogue
from provision.errors import KgpuError, NoStackError
from provision.fleet.images import digest_of, id_of
from provision.model import GPU_VENDORS, Host, Request, Stack, Vendor
from provision.model.fleet import Unserved
from provision.render.dockerfile import tag_of
from provision.resolve import feasible, resolve
from provision.resolve.facts import class_of
from provision.resolve.suggestions import with_newer_drivers

_NO_GPU: Final = "nothing, where it is meant to have none; --fallback cpu gives it an image without GPU"
_DEMANDS_GPU: Final = "gpu-unserved"  # a node with a usable GPU that only a CPU stack would serve


class Option(Struct, frozen=True):
    """An image that serves a class, as resolved for it."""

    id: str
    tag: str
    stack: Stack
    driver: str = ""  # the oldest newer driver that it needs; empty: as the nodes are


class NodeClass(Struct, frozen=True):
    """Nodes that the resolver cannot tell apart, and what serves them, the preferred first."""

    nodes: tuple[str, ...]
    machine: str
    options: tuple[Option, ...]
    upgraded: tuple[Option, ...] = ()  # what a newer driver would add


class Served:
    """The stacks of hosts, each class of them asked once.

    Attributes:
        catalogue: the facts.
        request: that holds for every node.
    """

    def __init__(self, catalogue: Catalogue, request: Request) -> None:
        self.catalogue, self.request = catalogue, request
        self._known: dict[Hashable, tuple[Option, ...]] = {}

    def options(self, host: Host, driver: str = "") -> tuple[Option, ...]:
        """Return the images that serve a host, the preferred first; none where nothing does."""
        key = key_of(host)
        if key not in self._known:
            found = feasible(self.catalogue, host, self.request, every_base=bool(self.request.base))
            stacks = [stack for stack in found if not _wasted(stack, host, self.request)]
            self._known[key] = tuple(_option(stack, host.architecture) for stack in stacks)
        known = self._known[key]
        return tuple(Option(one.id, one.tag, one.stack, driver) for one in known) if driver else known

    def upgraded(self, host: Host, have: tuple[Option, ...]) -> tuple[Option, ...]:
        """Return the images that a host can have with a newer driver alone, each with the oldest one."""
        found = {one.id: one for one in have}
        for vendor in GPU_VENDORS if have else ():
            for driver, newer in with_newer_drivers(self.catalogue, host, vendor):
                for option in self.options(newer, f"driver {driver.version or driver.release} or newer"):
                    found.setdefault(option.id, option)
        return tuple(one for one in found.values() if one.driver)


def key_of(host: Host) -> Hashable:
    """Return of a host what resolving looks at, for whichever vendor."""
    classes = (class_of(host, vendor) for vendor in GPU_VENDORS if host.usable_of(vendor.row.maker))
    return (host.architecture, bool(host.gpus), *classes)


def classes_of(
    served: Served, hosts: Mapping[str, Host], pins: Mapping[str, str], *, upgrades: bool
) -> tuple[list[NodeClass], list[Unserved]]:
    """Return the classes of the nodes that something serves, and the nodes that nothing serves.

    Args:
        served: the stacks of hosts.
        hosts: by the name of the node.
        pins: node to image id, or how one begins.
        upgrades: whether newer drivers are tried.
    """
    groups: dict[Hashable, list[str]] = {}
    for name in sorted(hosts):
        groups.setdefault((pins.get(name), key_of(hosts[name])), []).append(name)
    classes: list[NodeClass] = []
    unserved: list[Unserved] = []
    for names in groups.values():
        host, pin = hosts[names[0]], pins.get(names[0], "")
        options = served.options(host)
        meant = tuple(one for one in options if one.id.startswith(pin))
        if meant:
            more = served.upgraded(host, options) if upgrades and not pin else ()
            classes.append(NodeClass(tuple(names), host.architecture, meant, more))
        elif options:
            unserved += [_mispinned(name, pin, options) for name in names]
        else:
            unserved += [_refused(served, name, hosts[name]) for name in names]
    return classes, sorted(unserved, key=lambda one: one.name)


def _option(stack: Stack, machine: str) -> Option:
    tag = tag_of(stack, digest_of(stack, machine))
    return Option(id_of(tag), tag, stack)


def _wasted(stack: Stack, host: Host, request: Request) -> bool:
    """Tell whether a usable GPU would do nothing: nobody asked for the CPU, it was the last resort."""
    return stack.vendor is Vendor.CPU is not request.vendor and any(gpu.usable for gpu in host.gpus)


def _mispinned(name: str, pin: str, options: tuple[Option, ...]) -> Unserved:
    near = ", ".join(one.id for one in options[:3])
    return Unserved(
        name=name,
        rule="pin",
        cause=f"no image {pin} serves it; the newest that do: {near}",
        fix=f"--pin {name}={options[0].id}, or leave the pin out",
    )


def _refused(served: Served, name: str, host: Host) -> Unserved:
    """Return why nothing serves a node, in the resolver's words for this very host."""
    try:
        found = resolve(served.catalogue, host, served.request)
    except KgpuError as error:
        rules = error.conflict if isinstance(error, NoStackError) else ()
        cause = f"{error.text} {error.cause}".strip()
        fix = _NO_GPU if "--host FILE" in error.fix else error.fix  # which is for one machine
        return Unserved(name=name, rule=" + ".join(rules) or error.code, cause=cause, fix=fix)
    cause = f"it has a usable GPU, and only a stack without one is left: {found.summary}"
    return Unserved(name=name, rule=_DEMANDS_GPU, cause=cause, fix="kgpu-env resolve --explain tells why, on the node")
