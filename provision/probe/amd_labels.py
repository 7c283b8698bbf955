"""What AMD's node labeller tells of a Kubernetes node.

Source: https://github.com/ROCm/k8s-device-plugin, cmd/k8s-node-labeller/main.go at 14316e20 (checked 2026-11-30). Its
deployment names which labels it writes; the driver's version is not among those of the plugin's own example.
"""

import re
from typing import Final

from provision.catalogue.rows import TargetChip
from provision.model import Driver, Gpu
from provision.probe.amd_parsers import PARTITIONED, memory_mode, parse_module_version, partition_name
from provision.probe.lookups import Lookups
from provision.probe.vendor_probe import MOST_GPUS, NodeTold, UntoldError, VendorPart
from provision.probe.vendor_probe import whole_number as number

_PREFIX: Final = "amd.com/gpu."
_OLD: Final = "beta."  # before a label: the number of GPUs of each value is in these alone where there is one value
_LAYOUT: Final = "amd.com/compute-memory-partition"
_RESOURCE: Final = re.compile(r"amd\.com/(gpu|[a-z]{3}_nps[1-8])")


def amd_labels(node: NodeTold, lookups: Lookups) -> VendorPart | None:
    """Return GPUs and driver as the labels tell them; None: they tell of no GPU.

    Raises:
        UntoldError: they leave something open.
    """
    told, old = node.below(_PREFIX), node.below(f"{_OLD}{_PREFIX}")
    devices = {device for device in (told.get("device-id"), old.get("device-id")) if device}
    devices |= {name.removeprefix("device-id.") for name in (*told, *old) if name.startswith("device-id.")}
    if not devices:
        return None
    if len(devices) > 1:
        raise UntoldError(f"it has GPUs of several models: {', '.join(sorted(devices))}")
    device = devices.pop().lower()
    chip = lookups.of("amd").chips.get(device)
    if chip is None:
        raise UntoldError(f"the catalogue has no GPU with the device id {device}")
    version, release = parse_module_version(told.get("driver-version"))
    if not version:
        # The kernel's own amdgpu has no version, and a labeller that could not read it writes the same empty label.
        raise UntoldError(f"no label tells its driver: {_PREFIX}driver-version is empty, or not written")
    release = release or lookups.of("amd").releases.get(version)
    driver = Driver(vendor="amd", version=version, release=release, flavour="dkms")
    gpu = _gpu(node, chip, device, told.get("product-name", "").replace("_", " "))
    return VendorPart(gpus=(gpu,) * _count(node, old, device), driver=driver)


def _gpu(node: NodeTold, chip: TargetChip, device: str, name: str) -> Gpu:
    mode, _, memory = node.labels.get(_LAYOUT, "").upper().partition("_")
    if chip.target in PARTITIONED and not mode:
        raise UntoldError(f"no label tells whether its GPUs are partitioned ({_LAYOUT})")
    return Gpu(
        vendor="amd",
        name=name or chip.name,
        architecture=chip.target,
        device_id=device,
        partition=partition_name(mode, 1, chip.target, 0),
        memory_partition=memory_mode(memory),
        integrated=chip.integrated,
    )


def _count(node: NodeTold, old: dict[str, str], device: str) -> int:
    offered = [number(many) or 0 for name, many in node.capacity.items() if _RESOURCE.fullmatch(name)]
    count = sum(offered) or number(old.get(f"device-id.{device}"))
    if not count or count > MOST_GPUS:
        raise UntoldError("neither its labels nor its device plugin tell how many GPUs it has")
    return count
