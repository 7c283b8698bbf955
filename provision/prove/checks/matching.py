"""Which of the host's GPUs a device inside is: identity where both sides tell it, and evidence to the contrary.

Every device inside is one GPU of the host at most, and no two are the same.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from provision.model import Gpu, ProvedDevice
from provision.model.vendor import VENDORS

# NVIDIA's driver names a GPU alike for every tool; the PCI database and AMD's tools do not.
DRIVER_NAME = re.compile(r"(?:NVIDIA|Tesla|GeForce|Quadro|GRID|TITAN)\b", re.IGNORECASE)
# Of the host's bytes: nvidia-smi counts what the driver keeps for itself, which is 1 to 4 % (T4, A100, H100).
LEAST, MOST = 0.9, 1.05


def pci_key(text: str | None) -> str | None:
    """Return a PCI address in one spelling: NVIDIA writes the domain with eight digits, sysfs with four."""
    found = re.fullmatch(r"(?:([0-9a-f]{1,8}):)?([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])", (text or "").strip().lower())
    return f"{int(found[1] or '0', 16):04x}:{found[2]}" if found else None


def uuid_key(text: str | None) -> str | None:
    """Return a UUID's hexadecimal digits: CUDA and HIP, sysfs and NVML differ in prefix and dashes."""
    found = re.fullmatch(r"(?:gpu-|mig-|0x)?([0-9a-f-]{8,})", (text or "").strip().lower())
    return found[1].replace("-", "") if found else None


def same_device(gpu: Gpu, device: ProvedDevice) -> bool | None:
    """Tell whether a GPU of the host is a device inside; None where neither yes nor no is told.

    A MIG slice has its GPU's PCI address, and a UUID of its own. AMD's partitions of a card have all of the card's; a
    render node is one partition's alone.
    """
    if next(contrary(gpu, device), ""):
        return False
    if _shares_card(gpu):
        return True if _node(gpu) and device.node == _node(gpu) else None
    by_address = not (gpu.partition and gpu.uuid) and pci_key(gpu.pci) is not None and pci_key(gpu.pci) == device.pci
    by_uuid = uuid_key(gpu.uuid) is not None and uuid_key(gpu.uuid) == uuid_key(device.uuid)
    return True if by_uuid or by_address else None


def contrary(gpu: Gpu, device: ProvedDevice) -> Iterator[str]:
    """Yield what of a device inside is not what it is of that GPU of the host, where both sides tell it."""
    parts = {
        "UUID": (uuid_key(gpu.uuid), uuid_key(device.uuid)),
        "PCI address": (_place(gpu, pci_key(gpu.pci)), _place(gpu, device.pci)),
        "device node": (_node(gpu), device.node),
        "architecture": (gpu.architecture, _same_maker(gpu.architecture, device.architecture)),
    }
    yield from (
        f"{name} {inside}, not {own}" for name, (own, inside) in parts.items() if own and inside and own != inside
    )
    yield from _other_memory(gpu, device)
    if not _same_name(gpu, device):
        yield f"name {device.description}, not {gpu.name}"


def assign(
    gpus: Sequence[Gpu], devices: Sequence[ProvedDevice], may_be: Callable[[Gpu, ProvedDevice], bool]
) -> dict[int, int]:
    """Return the most pairs (place of the GPU, place of the device) of which each is in one pair at most."""
    pairs: dict[int, int] = {}

    def placed(number: int, tried: set[int]) -> bool:
        """Give a device a GPU, moving others where that helps (augmenting paths)."""
        for at, gpu in enumerate(gpus):
            if at not in tried and may_be(gpu, devices[number]):
                tried.add(at)
                if at not in pairs or placed(pairs[at], tried):
                    pairs[at] = number
                    return True
        return False

    for number in range(len(devices)):
        placed(number, set())
    return pairs


def _same_maker(own: str | None, inside: str | None) -> str | None:
    """Return an architecture inside as the host writes it: TensorFlow tells a number for AMD's GPUs that is none."""
    if not own or not inside or own[:2] != inside[:2]:
        return None
    return own if own.startswith("sm_") and own.rstrip("af") == inside.rstrip("af") else inside


def _shares_card(gpu: Gpu) -> bool:
    return bool(gpu.partition) and VENDORS[gpu.vendor].row.slices_together


def _place(gpu: Gpu, pci: str | None) -> str | None:
    """Return what of an address is the card's: AMD's partitions have function numbers that are made up."""
    return pci.partition(".")[0] if pci and _shares_card(gpu) else pci


def _node(gpu: Gpu) -> str | None:
    """Return an AMD GPU's own render node; NVIDIA's minor numbers are not told inside."""
    row = VENDORS[gpu.vendor].row
    found = [node.path for node in gpu.nodes if node.path.startswith(row.own_node)] if row.node_is_told else []
    return found[0] if len(found) == 1 else None


def _other_memory(gpu: Gpu, device: ProvedDevice) -> Iterator[str]:
    own, inside, total = gpu.memory_bytes, device.memory_bytes, device.total_bytes
    if not own or gpu.integrated:  # an integrated GPU computes in the system's memory, too
        return
    told = total or inside or 0
    if told > MOST * own or (total and VENDORS[gpu.vendor].row.memory_is_told and total < LEAST * own):
        yield f"{told} bytes of memory, not {own}"


def _same_name(gpu: Gpu, device: ProvedDevice) -> bool:
    names = [gpu.name or "", device.description]
    if not all(map(DRIVER_NAME.match, names)):
        return True
    own, inside = (name.lower().removeprefix("nvidia ").strip() for name in names)
    return inside == own or inside.startswith(f"{own} ")  # a slice: "NVIDIA H100 80GB HBM3 MIG 1g.10gb"
