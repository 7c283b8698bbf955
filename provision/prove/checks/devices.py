"""Which of the host's GPUs are inside: the framework's devices, matched with those that were asked for."""

import re
from collections.abc import Iterator

from provision.model import ExpectedDevice, Gpu, ProvedDevice, Status, Vendor
from provision.prove.checks.case import Case, Outcome
from provision.prove.checks.container import listed_gpus, wanted
from provision.prove.evidence import DriverDevice, Evidence, Listed
from provision.prove.expectation import Expectation


def pci_key(text: str | None) -> str | None:
    """Return a PCI address in one spelling: NVIDIA writes the domain with eight digits, sysfs with four."""
    found = re.fullmatch(r"(?:([0-9a-f]{1,8}):)?([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])", (text or "").strip().lower())
    return f"{int(found[1] or '0', 16):04x}:{found[2]}" if found else None


def uuid_key(text: str | None) -> str | None:
    """Return a UUID's hexadecimal digits: CUDA and HIP, sysfs and NVML differ in prefix and dashes."""
    found = re.fullmatch(r"(?:gpu-|mig-|0x)?([0-9a-f-]{8,})", (text or "").strip().lower())
    return found[1].replace("-", "") if found else None


def devices(evidence: Evidence) -> tuple[ProvedDevice, ...]:
    """Return the framework's GPUs, each with its PCI address and, through the driver library, its UUID."""
    described = {device.name.rsplit("device:", 1)[-1]: device for device in evidence.devices}
    found = []
    for device in listed_gpus(evidence):
        more = described.get(device.name.rsplit("device:", 1)[-1])
        text = re.search(r"pci bus id: ([0-9A-Fa-f:.]+)", more.text) if more else None
        own = driver_device(evidence, device, pci_key(text[1]) if text else None)
        pci = pci_key(text[1]) if text else pci_key(own.pci) if own else None
        found.append(
            ProvedDevice(
                name=device.name.replace("/physical_device:", "/device:"),
                description=device.description,
                architecture=_architecture(device),
                pci=pci,
                uuid=own.uuid if own else None,
                memory_bytes=more.bytes if more else None,
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


def _architecture(device: Listed) -> str | None:
    return f"sm_{device.compute_capability.replace('.', '')}" if device.compute_capability else None


def identity(case: Case) -> Outcome:
    """Are the GPUs that trained those of the host that were asked for?"""
    expectation, evidence = case.expectation, case.evidence
    trained = [item for item in devices(evidence) if index_of(item) in wanted(expectation, evidence)]
    known = [item for item in trained if any(_comparable(gpu, item) for gpu in expectation.gpus)]
    strangers = [item for item in known if not any(same_device(gpu, item) for gpu in expectation.gpus)]
    if strangers:
        names = ", ".join(f"{item.name} is {item.uuid or item.pci}" for item in strangers)
        return Status.FAIL, f"not a GPU that was asked for: {names}"
    if not trained or len(known) < len(trained):
        return Status.UNKNOWN, "no UUID or PCI address is known on both sides"
    return Status.PASS, ", ".join(f"{item.name} is {item.pci or item.uuid}" for item in known)


def index_of(device: ProvedDevice) -> int:
    """Return the framework's number of a device."""
    return int(device.name.rsplit(":", 1)[-1])


def same_device(gpu: Gpu, device: ProvedDevice) -> bool:
    """Tell whether a GPU of the host is a device inside, as far as both sides name it."""
    # A partition shares the PCI address of its GPU, so a UUID, where both sides have one, decides alone.
    if uuid_key(gpu.uuid) and uuid_key(device.uuid):
        return uuid_key(gpu.uuid) == uuid_key(device.uuid)
    return _by_address(gpu) and device.pci is not None and device.pci == pci_key(gpu.pci)


def _by_address(gpu: Gpu) -> bool:
    """Tell whether a PCI address names this GPU alone: a MIG slice shares it, and has a UUID of its own."""
    return not (gpu.partition and gpu.uuid)


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
    for gpu in expectation.gpus:
        # Where one side names nothing, who is who cannot be told.
        vague = any(not _comparable(gpu, device) for device in inside)
        seen = True if any(same_device(gpu, device) for device in inside) else None if vague else False
        yield ExpectedDevice(name=gpu.name or "", uuid=gpu.uuid, pci=gpu.pci, partition=gpu.partition, seen=seen)


def _comparable(gpu: Gpu, device: ProvedDevice) -> bool:
    return bool(
        (uuid_key(gpu.uuid) and uuid_key(device.uuid)) or (_by_address(gpu) and pci_key(gpu.pci) and device.pci)
    )


def _nameless(expectation: Expectation, evidence: Evidence | None) -> Iterator[ExpectedDevice]:
    listed = len(listed_gpus(evidence)) if evidence else 0
    for number in range(len(expectation.gpus), len(expectation.indices)):
        yield ExpectedDevice(name=f"GPU {number}", seen=number < listed)
