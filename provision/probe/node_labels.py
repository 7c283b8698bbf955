"""A node of a Kubernetes cluster as a host: what its labels and its status tell of GPUs and driver.

Each maker's module reads its own labels. What labels do not tell is not known: a node about whose GPUs, their number or
driver they are silent is no host. Labels of the machine: Node Feature Discovery,
https://nfd.sigs.k8s.io/usage/features (checked 2026-11-30).
"""

import re
from typing import Final

from provision.model import GPU_VENDORS, MACHINES, GpuVendor, Host
from provision.probe.lookups import Lookups
from provision.probe.vendor_probe import NodeTold, UntoldError, VendorPart
from provision.probe.vendors import PROBES

_FEATURE: Final = "feature.node.kubernetes.io/"
_PCI: Final = re.compile(rf"{re.escape(_FEATURE)}pci-([0-9a-f_]+)\.present")
_DISPLAYS: Final = ("03", "0b40", "12")  # classes that NFD labels from the start: displays, co-processors, accelerators


def host_of(node: NodeTold, lookups: Lookups, *, silent: str = "") -> Host:
    """Return the host that a node's labels describe. Its engine, toolkits, device nodes and findings are not known.

    Args:
        node: its labels and what its status tells.
        lookups: from the catalogue.
        silent: why its labels may be of the past.

    Raises:
        UntoldError: there may be a GPU, and the labels do not tell all that has to be known of it.
    """
    if silent:
        raise UntoldError(f"{silent}, so its labels may be of the past")
    parts = [part for row in GPU_VENDORS.values() if (part := _part(node, row, lookups))]
    if not parts and not _has_no_gpu(node):
        raise UntoldError("no label tells whether it has a GPU")
    if node.machine not in MACHINES or not node.kernel:
        raise UntoldError("its status does not tell architecture and kernel")
    names = (node.labels.get(f"{_FEATURE}system-os_release.{key}", "") for key in ("ID", "VERSION_ID"))
    return Host(
        gpus=tuple(gpu for part in parts for gpu in part.gpus),
        drivers=tuple(part.driver for part in parts if part.driver),
        architecture=MACHINES[node.machine],
        kernel=node.kernel,
        distribution=" ".join(filter(None, names)) or None,
        looked_at=("labels of the Kubernetes node",),
    )


def _part(node: NodeTold, row: GpuVendor, lookups: Lookups) -> VendorPart | None:
    read = PROBES[row.maker].labels
    part = read(node, lookups) if read else None
    if part is None and (seen := _trace(node, row)):
        raise UntoldError(f"{seen}, and no label tells of its {row.title} GPUs")
    return part


def _trace(node: NodeTold, row: GpuVendor) -> str:
    """Return what shows that there is a GPU of a maker: a resource or a device on the bus."""
    if node.offered(row.kubernetes_resource):
        return f"it offers {row.kubernetes_resource}"
    for label in node.labels:
        classes, vendors = _device(label)
        # A label without a class may be any device of the maker.
        if row.pci_vendor in vendors and (not classes or _is_display(classes)):
            return f"it has the label {label}"
    marks = [label for label in row.kubernetes_labels if node.labels.get(label) == "true"]
    return f"it has the label {marks[0]}" if marks else ""


def _has_no_gpu(node: NodeTold) -> bool:
    """Tell whether Node Feature Discovery labels displays, and none of a maker: a board's own VGA shows it."""
    return any(_is_display(classes) for classes, _ in map(_device, node.labels))


def _device(label: str) -> tuple[str, tuple[str, ...]]:
    """Return class and vendor, and whatever else, of a label of a PCI device; the class is empty where it is left out.

    >>> _device("feature.node.kubernetes.io/pci-0302_10de.present")
    ('0302', ('10de',))
    """
    found = _PCI.fullmatch(label)
    parts = tuple(found[1].split("_")) if found else ()
    return (parts[0], parts[1:]) if len(parts) > 1 else ("", parts)


def _is_display(pci_class: str) -> bool:
    return pci_class.startswith(_DISPLAYS)
