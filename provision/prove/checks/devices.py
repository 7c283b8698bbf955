"""Which of the host's GPUs are inside: the framework's devices, matched with those that were asked for."""

import re
from collections.abc import Iterator

from provision.model import ExpectedDevice, Gpu, ProvedDevice, Status, Vendor
from provision.prove.checks import kfd
from provision.prove.checks.case import Case, Outcome
from provision.prove.checks.container import listed_gpus, wanted
from provision.prove.checks.matching import assign, contrary, pci_key, same_device, uuid_key
from provision.prove.evidence import DriverDevice, Evidence, Listed
from provision.prove.expectation import Expectation


def devices(evidence: Evidence) -> tuple[ProvedDevice, ...]:
    """Return the framework's GPUs, each with its PCI address and, through the driver library, its UUID."""
    described = {device.name.rsplit("device:", 1)[-1]: device for device in evidence.devices}
    found = []
    for device in listed_gpus(evidence):
        more = described.get(device.name.rsplit("device:", 1)[-1])
        text = re.search(r"pci bus id: ([0-9A-Fa-f:.]+)", more.text) if more else None
        own = driver_device(evidence, device, pci_key(text[1]) if text else None)
        pci = pci_key(text[1]) if text else pci_key(own.pci) if own else None
        node = kfd.node_of(evidence, _number(device)) if evidence.environment.kfd else None
        found.append(
            ProvedDevice(
                name=device.name.replace("/physical_device:", "/device:"),
                description=device.description,
                architecture=(kfd.architecture(node) if node else None) or _architecture(device, own),
                pci=pci,
                uuid=own.uuid if own else None,
                memory_bytes=more.bytes if more else None,
                total_bytes=own.capacity.get("memory_bytes") if own else None,
                node=kfd.render_path(node) if node else None,
            )
        )
    return tuple(found)


def driver_device(evidence: Evidence, device: Listed, pci: str | None) -> DriverDevice | None:
    """Return the driver library's device that is one of the framework's.

    By PCI address where the framework tells it. MIG slices and AMD's partitions share the address of their GPU, and JAX
    tells none: then by number, since frameworks count in the driver's order.
    """
    same = [item for item in evidence.driver if pci is None or pci_key(item.pci) == pci]
    number = device.name.rsplit(":", 1)[-1]
    return same[0] if pci and len(same) == 1 else next((item for item in same if str(item.ordinal) == number), None)


def capacity_of(evidence: Evidence, device: ProvedDevice) -> dict[str, int]:
    """Return what the driver library tells of a device's multiprocessors and clock; empty where it does not."""
    listed = next((one for one in listed_gpus(evidence) if one.name.endswith(f":{index_of(device)}")), None)
    own = driver_device(evidence, listed, device.pci) if listed else None
    return own.capacity if own else {}


def _architecture(device: Listed, own: DriverDevice | None) -> str | None:
    told = device.compute_capability.replace(".", "") if device.compute_capability else ""
    if not told and own and own.capacity.get("major"):
        told = f"{own.capacity['major']}{own.capacity.get('minor', 0)}"
    return f"sm_{told}" if told else None


def _number(device: Listed) -> int:
    return int(device.name.rsplit(":", 1)[-1])


def identity(case: Case) -> Outcome:
    """Are the GPUs that trained those of the host that were asked for, each of them another?"""
    expectation, evidence = case.expectation, case.evidence
    gpus = expectation.gpus
    trained = [item for item in devices(evidence) if index_of(item) in wanted(expectation, evidence)]
    if fault := next(_refuted(expectation, evidence, trained), ""):
        return Status.FAIL, fault
    if not gpus or not trained:
        return Status.UNKNOWN, "the host names no GPU to compare with" if trained else "no device is told"
    if len(assign(gpus, trained, lambda gpu, item: same_device(gpu, item) is True)) < len(trained):
        return Status.UNKNOWN, "no UUID, PCI address or device node known on both sides tells each from the others"
    return Status.PASS, ", ".join(f"{item.name} is {item.node or item.pci or item.uuid}" for item in trained)


def _refuted(expectation: Expectation, evidence: Evidence, trained: list[ProvedDevice]) -> Iterator[str]:
    """Yield why these devices cannot be the GPUs that were asked for, each of them another."""
    gpus = expectation.gpus
    if twice := _twice(trained, shared=expectation.vendor.row.slices_together):
        yield f"one device is there for two: {twice}"
    if not gpus:
        return
    strangers = [item for item in trained if all(same_device(gpu, item) is False for gpu in gpus)]
    if strangers:
        yield f"not a GPU that was asked for: {', '.join(f'{item.name} {_told(gpus, item)}' for item in strangers)}"
    if len(assign(gpus, trained, lambda gpu, item: same_device(gpu, item) is not False)) < len(trained):
        yield f"{len(trained)} devices cannot be {len(gpus)} different GPUs that were asked for"
    lost = [item.label for item in expected(expectation, evidence) if item.seen is False]
    if lost and trained and expectation.indices:
        yield f"a GPU that was asked for is not there: {', '.join(lost)}"


def _twice(trained: list[ProvedDevice], *, shared: bool) -> str:
    """Return the names of devices that are one: of one UUID, and where partitions share that of one node, too."""
    seen: dict[tuple[str, str], str] = {}
    for item in trained:
        uuid = uuid_key(item.uuid)
        if (
            uuid
            and (item.node or not shared)
            and (other := seen.setdefault((uuid, item.node or ""), item.name)) != item.name
        ):
            return f"{other} and {item.name} are {item.node or item.uuid}"
    return ""


def _told(gpus: tuple[Gpu, ...], item: ProvedDevice) -> str:
    reasons = [next(contrary(gpu, item), "") for gpu in gpus]
    return f"is {item.uuid or item.pci or item.description}" + (f" ({reasons[0]})" if len(gpus) == 1 else "")


def index_of(device: ProvedDevice) -> int:
    """Return the framework's number of a device."""
    return int(device.name.rsplit(":", 1)[-1])


def expected(expectation: Expectation, evidence: Evidence | None) -> tuple[ExpectedDevice, ...]:
    """Return each device that was asked for, and whether the framework listed it inside.

    Where "all" means those that an environment shows, the host's others were not asked for.

    Args:
        expectation: with the host's GPUs; those that the host does not know are counted without a name.
        evidence: None when nothing was recorded.
    """
    if expectation.vendor is Vendor.CPU:
        return ()
    found = (*_named(expectation, evidence), *_nameless(expectation, evidence))
    shown = tuple(item for item in found if item.seen is not False)
    return found if expectation.indices or not shown else shown


def counted(items: tuple[ExpectedDevice, ...]) -> str:
    """Return how many devices were expected and seen, and which are missing, in words; empty for none."""
    lost = [item.label for item in items if item.seen is False]
    vague = sum(item.seen is None for item in items)
    told = f"expected {len(items)}, seen {len(items) - len(lost) - vague}" if items else ""
    return (
        told
        + (f", {vague} without an address to tell by" if vague else "")
        + (f": missing {', '.join(lost)}" if lost else "")
    )


def _named(expectation: Expectation, evidence: Evidence | None) -> Iterator[ExpectedDevice]:
    inside = devices(evidence) if evidence else ()
    seen = assign(expectation.gpus, inside, lambda gpu, device: same_device(gpu, device) is True)
    others = [device for number, device in enumerate(inside) if number not in seen.values()]
    for at, gpu in enumerate(expectation.gpus):
        # Where one side names nothing, who is who cannot be told.
        vague = any(same_device(gpu, device) is None for device in others)
        state = True if at in seen else None if vague else False
        yield ExpectedDevice(name=gpu.name or "", uuid=gpu.uuid, pci=gpu.pci, partition=gpu.partition, seen=state)


def _nameless(expectation: Expectation, evidence: Evidence | None) -> Iterator[ExpectedDevice]:
    listed = len(listed_gpus(evidence)) if evidence else 0
    for number in range(len(expectation.gpus), len(expectation.indices)):
        yield ExpectedDevice(name=f"GPU {number}", seen=number < listed)
